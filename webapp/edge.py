"""The edge: a small WSGI layer that answers hits of the hot read before Flask's dispatch.

It answers ``GET /api/v1/sessions/{id}`` with 200 or 304, and nothing else, when it is sure: the token was verified in
this process before, the guard accepts the caller, the session is in the cache, Redis is believed, and the session is
the caller's. Everything that it does not know, every miss, every refusal and every error it leaves to Flask, which
asks the same guard and gives the answer. It costs one round trip: blacklist, user and session in one MGET.
"""

import time
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from flask import Flask

from webapp.auth import cached_users
from webapp.auth.cached_users import USERS
from webapp.auth.guard import CachedUser, Verdict, decide
from webapp.auth.tokens import ACCESS, verified_tokens
from webapp.cache import keys
from webapp.cache.entries import parse
from webapp.cache.fills import Source
from webapp.cache.redis import cache_of
from webapp.driving import cached_sessions
from webapp.driving.answers import private_headers
from webapp.driving.cached_sessions import SESSIONS, CachedSession
from webapp.http.conditional import etag, is_listed
from webapp.http.requests import request_end, request_id_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PREFIX = "/api/v1/sessions/"
PATH_LENGTH = len(PREFIX) + 36
BEARER = "Bearer "


@lru_cache(maxsize=4096)
def user_in(raw: str | None, stamp: str) -> CachedUser | None:
    """Return the user in a stored string. Many requests meet the same one, and it says all that a `CachedUser` does."""
    entry = parse(raw, stamp)
    return cached_users.parse(entry) if entry is not None else None


class Edge:
    """The layer, around an application."""

    def __init__(self, app: Flask, wsgi_app: "WSGIApplication") -> None:
        self._next = wsgi_app
        self._cache, self._tokens, self._end = cache_of(app), verified_tokens(app), request_end(app)
        self._headers = private_headers(Source.HIT)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a hit, or pass the request on."""
        path: str = environ["PATH_INFO"]
        if len(path) == PATH_LENGTH and path.startswith(PREFIX) and environ["REQUEST_METHOD"] == "GET":
            started = time.perf_counter()
            session = self._visible_session(environ, path[len(PREFIX) :])
            if session is not None:
                return self._answer(session, environ, start_response, started)
        return self._next(environ, start_response)

    def _visible_session(self, environ: "WSGIEnvironment", session_id: str) -> CachedSession | None:
        """Return the session when it is cached and the caller's; None leaves the request to Flask."""
        authorization: str = environ.get("HTTP_AUTHORIZATION", "")
        claims = self._tokens.get(authorization[len(BEARER) :]) if authorization.startswith(BEARER) else None
        cache = self._cache
        if claims is None or claims.type != ACCESS or "HTTP_ORIGIN" in environ or not cache.trust.believes():
            return None
        found = cache.hot.mget([keys.blacklist(claims.jti), USERS.key(claims.user_id), SESSIONS.key(session_id)])
        if found is None:
            return None
        stamp = cache.stamp.text
        user, entry = user_in(found[1], stamp), parse(found[2], stamp)
        if user is None or entry is None or decide(claims, found[0] is not None, user) is not Verdict.ACCEPTED:
            return None
        session = cached_sessions.parse(entry)
        return session if session is not None and session.is_visible_to(user.id) else None

    def _answer(
        self, session: CachedSession, environ: "WSGIEnvironment", start_response: "StartResponse", started: float
    ) -> Iterable[bytes]:
        if is_listed(session.version, environ.get("HTTP_IF_NONE_MATCH")):
            status, line, body, of_the_body = 304, "304 NOT MODIFIED", b"", []
        else:
            status, line, body = 200, "200 OK", session.json.encode()
            of_the_body = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        request_id = request_id_of(environ.get("HTTP_X_REQUEST_ID"))
        of_every_answer = self._end("GET", environ["PATH_INFO"], status, started, request_id)
        start_response(line, [*of_every_answer, ("ETag", etag(session.version)), *self._headers, *of_the_body])
        return [body]


def init_app(app: Flask) -> None:
    """Put the edge before `app`."""
    app.wsgi_app = Edge(app, app.wsgi_app)  # type: ignore[method-assign]
