"""Hot reads: what is answered in the event loop, from the cache alone.

A read is answered here, with 200 or 304, when everything about it is sure: the token was verified in this process
before, the guard accepts the caller, Redis is believed, and what is asked for is in the cache and the caller's. It
costs one MGET of blacklist, user and thing, which reads of the same moment share; a list, and the session that goes on,
cost another one, of sessions. Every miss, every refusal and whatever is unusual about a request is left to Flask, which
asks the same guard.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import orjson
from flask import Flask

from webapp.auth import cached_users
from webapp.auth.cached_users import USERS
from webapp.auth.guard import CachedUser, Claims, Verdict, decide
from webapp.auth.tokens import ACCESS, verified_tokens
from webapp.cache import keys
from webapp.cache.entries import Entry, parse
from webapp.cache.fills import Source
from webapp.cache.kinds import Kind
from webapp.cache.redis import cache_of
from webapp.door.answers import NO_STORE, json
from webapp.door.asgi import Answer, Scope, encoded
from webapp.driving import cached_lists, cached_sessions
from webapp.driving.answers import private_headers
from webapp.driving.cached_lists import SESSION_LISTS
from webapp.driving.cached_sessions import SESSIONS, CachedSession
from webapp.http.conditional import etag, is_listed

API = "/api/v1"
SESSION = f"{API}/sessions/"
SESSION_LENGTH = len(SESSION) + 36
"""With a UUID, in the one form that names a session."""

BEARER = b"Bearer "


class HotRead(NamedTuple):
    """A call that may be hot: of which kind it shows something, and how. None leaves it to Flask.

    needs: the sessions that are fetched, too, and shown with it.
    """

    kind: Kind
    show: Callable[[Entry, CachedUser, str | None, Sequence[Entry | None]], Answer | None]
    needs: Callable[[Entry], Sequence[str]] | None = None


PRIVATE = encoded(private_headers(Source.HIT))


def _show_session(entry: Entry, user: CachedUser, if_none_match: str | None, *_: object) -> Answer | None:
    return _shown(cached_sessions.parse(entry), user, if_none_match)


def _shown(session: CachedSession | None, user: CachedUser, if_none_match: str | None) -> Answer | None:
    if session is None or not session.is_visible_to(user.id):
        return None
    headers = [(b"ETag", etag(session.version).encode()), *PRIVATE]
    if is_listed(session.version, if_none_match):
        return Answer(304, headers, b"")
    return json(session.json.encode(), headers)


def _show_active(
    _list: Entry, user: CachedUser, if_none_match: str | None, sessions: Sequence[Entry | None]
) -> Answer | None:
    session = cached_sessions.parse(sessions[0]) if sessions and sessions[0] is not None else None
    return _shown(session, user, if_none_match) if session is not None and session.goes_on else None


def _show_list(
    entry: Entry, user: CachedUser, _if_none_match: str | None, sessions: Sequence[Entry | None]
) -> Answer | None:
    listed = cached_lists.parse(entry)
    page = listed.shown(user.id, sessions) if listed is not None else None
    return json(page.encode(), PRIVATE) if page is not None else None


def _show_user(_entry: Entry, user: CachedUser, *_: object) -> Answer | None:
    return json(orjson.dumps(user.document), [NO_STORE])


def _active_id(entry: Entry) -> Sequence[str]:
    listed = cached_lists.parse(entry)
    return [listed.active_id] if listed is not None and listed.active_id else []


def _listed_ids(entry: Entry) -> Sequence[str]:
    listed = cached_lists.parse(entry)
    return listed.ids if listed is not None else []


OF_ONE = HotRead(SESSIONS, _show_session)
OF_THE_CALLER = {
    f"{API}/sessions": HotRead(SESSION_LISTS, _show_list, _listed_ids),
    f"{API}/sessions/active": HotRead(SESSION_LISTS, _show_active, _active_id),
    f"{API}/users/me": HotRead(USERS, _show_user),
}


class HotReads:
    """The hot reads of one application."""

    def __init__(self, app: Flask) -> None:
        self._cache, self._tokens = cache_of(app), verified_tokens(app)

    async def answer(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Answer | None:
        """Answer a GET that has neither a body nor a header twice, if it is hot. None leaves it to Flask."""
        path: str = scope["path"]
        if len(path) == SESSION_LENGTH and path.startswith(SESSION):
            read, id = OF_ONE, path[len(SESSION) :]
        elif path in OF_THE_CALLER and not scope["query_string"]:
            read, id = OF_THE_CALLER[path], ""
        else:
            return None
        claims = self._claims(headers)
        if claims is None or not self._cache.trust.believes():
            return None
        asked = [keys.blacklist(claims.jti), USERS.key(claims.user_id)]
        if read.kind is not USERS:
            asked.append(read.kind.key(id or claims.user_id))
        found = await self._cache.shared.fetch(asked)
        if found is None:
            return None
        stamp = self._cache.stamp.text
        user, entry = cached_users.user_in(found[1], stamp), parse(found[-1], stamp)
        if user is None or entry is None or decide(claims, found[0] is not None, user) is not Verdict.ACCEPTED:
            return None
        beside = await self._sessions(read.needs(entry)) if read.needs else ()
        if_none_match = headers.get(b"if-none-match")
        return read.show(entry, user, None if if_none_match is None else if_none_match.decode("latin-1"), beside)

    async def _sessions(self, ids: Sequence[str]) -> Sequence[Entry | None]:
        """Fetch sessions; none while there is trouble."""
        found = await self._cache.shared.fetch([SESSIONS.key(id) for id in ids]) if ids else None
        # The stamp of now: the connection may have been made anew, to another server.
        return list(map(self._cache.entries.parse, found)) if found is not None else ()

    def _claims(self, headers: Mapping[bytes, bytes]) -> Claims | None:
        """Return what an access token says that was verified before."""
        authorization = headers.get(b"authorization", b"")
        if not authorization.startswith(BEARER):
            return None
        claims = self._tokens.get(authorization[len(BEARER) :].decode("latin-1"))
        return claims if claims is not None and claims.type == ACCESS else None
