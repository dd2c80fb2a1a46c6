"""Flask's door to the guard: take the token from the request, fetch what the guard decides from, and act on its
verdict.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask import Request, g, request

from webapp.auth import tokens
from webapp.auth.guard import Caller, Claims, Verdict, decide
from webapp.cache import fills, keys, users
from webapp.cache.redis import get_cache
from webapp.http.errors import Forbidden, Unauthorized

View = TypeVar("View", bound=Callable[..., Any])


def bearer_token(request: Request) -> str:
    """Return the token of `Authorization: Bearer <token>`. Raises 401."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("A Bearer token is required.", code="token_missing", reason="")
    return token.strip()


def authenticate(*types: str, also: tuple[str, ...] = ()) -> tuple[Caller, list[str | None] | None]:
    """Return who is calling with a token of one of these types, and the raw values of the keys `also`.

    The keys come in the same round trip as what the guard needs; they are None when Redis is out of reach. Raises 401.
    """
    claims = tokens.verify(bearer_token(request))
    if claims.type not in types:
        raise Unauthorized(f"This call needs a token of type {types[0]}.", code="token_wrong_type")
    fetched = fills.prefetch([keys.blacklist(claims.jti), keys.user(claims.user_id), *also])
    caller = _admit(claims, fetched)
    return caller, None if fetched is None else fetched[2:]


def _admit(claims: Claims, fetched: list[str | None] | None) -> Caller:
    is_blacklisted, user = False, None
    if fetched is not None:
        is_blacklisted = fetched[0] is not None
        entry = get_cache().entries.parse(fetched[1])
        user = users.parse(entry) if entry is not None else None
    verdict = decide(claims, is_blacklisted, user)
    if verdict is Verdict.UNSURE and fetched is not None:
        entry, _ = fills.fill(users.USERS, claims.user_id)
        user = users.parse(entry)
        verdict = decide(claims, is_blacklisted, user)
    if verdict is Verdict.UNSURE:
        # The last word is the database's, not that of an entry that somebody else has put.
        user = users.parse(fills.load(users.USERS, claims.user_id))
        verdict = decide(claims, is_blacklisted, user)
    if verdict is not Verdict.ACCEPTED or user is None:
        raise Unauthorized("The token has been revoked.", code="token_revoked")
    return Caller(user, claims)


def authenticated(*types: str) -> Callable[[View], View]:
    """Let a view be called by who presents a token of one of these types (an access token unless said otherwise).

    The view gets the caller as its first argument. A view of one session finds what Redis holds of it in
    `g.prefetched`.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            session_id = kwargs.get("session_id") if request.method in ("GET", "HEAD") else None
            also = (keys.session(session_id),) if session_id else ()
            caller, g.prefetched = authenticate(*(types or (tokens.ACCESS,)), also=also)
            return view(caller, *args, **kwargs)

        guarded.is_guarded = True  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    return decorate


def require_admin(caller: Caller) -> None:
    """Refuse with 403 who is not an administrator."""
    if caller.user.role != "admin":
        raise Forbidden("Only administrators may do this.", code="admin_only")
