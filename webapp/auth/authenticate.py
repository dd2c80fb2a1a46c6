"""Flask's door to the guard: fetch what the guard decides from, and act on its verdict."""

from collections.abc import Callable, Sequence

from flask import Request, request

from webapp.auth import cached_users, tokens
from webapp.auth.cached_users import USERS
from webapp.auth.guard import Administrator, Caller, Claims, Verdict, decide
from webapp.auth.logins import revoked
from webapp.cache import fills, keys
from webapp.cache.redis import get_cache
from webapp.http.errors import Forbidden, Unauthorized


def bearer_token(request: Request) -> str:
    """Return the token of `Authorization: Bearer <token>`. Raises 401."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("A Bearer token is required.", code="token_missing", reason="")
    return token.strip()


def administrator(caller: Caller) -> Administrator:
    """Return a caller who is an administrator. Raises 403."""
    if caller.user.role != "admin":
        raise Forbidden("Only administrators may do this.", code="admin_only")
    return Administrator(caller.user, caller.claims)


def authenticate(
    types: Sequence[str], also: Callable[[Claims], Sequence[str]] = lambda _claims: ()
) -> tuple[Caller, list[str | None] | None]:
    """Return who is calling with a token of one of these types, and what Redis holds under the keys `also`.

    That comes in the same round trip as what the guard needs; it is None when Redis is out of reach. Raises 401.
    """
    claims = tokens.verify(bearer_token(request))
    if claims.type not in types:
        raise Unauthorized(f"This call needs a token of type {types[0]}.", code="token_wrong_type")
    fetched = fills.prefetch([keys.blacklist(claims.jti), USERS.key(claims.user_id), *also(claims)])
    caller = _admit(claims, fetched)
    return caller, None if fetched is None else fetched[2:]


def _admit(claims: Claims, fetched: list[str | None] | None) -> Caller:
    is_blacklisted, user = False, None
    if fetched is not None:
        is_blacklisted = fetched[0] is not None
        user = cached_users.user_in(fetched[1], get_cache().stamp.text)
    verdict = decide(claims, is_blacklisted, user)
    if verdict is Verdict.UNSURE and fetched is not None:
        entry, _ = fills.fill(USERS, claims.user_id)
        user = cached_users.parse(entry)
        verdict = decide(claims, is_blacklisted, user)
    if verdict is Verdict.UNSURE:
        # The last word is the database's, not that of an entry that somebody else has put.
        user = cached_users.parse(fills.load(USERS, claims.user_id))
        verdict = decide(claims, is_blacklisted, user)
    if verdict is not Verdict.ACCEPTED or user is None:
        raise revoked()
    return Caller(user, claims)
