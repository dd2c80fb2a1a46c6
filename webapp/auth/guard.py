"""The guard: who is calling, and may they? A decision from what was fetched, without I/O and without Flask.

Redis may say yes fast or no fast; it never turns the database's no into a yes:

1. the token's `jti` is blacklisted → refused;
2. the user is known, active, and the token's login is one of theirs → accepted;
3. anything else → unsure, and one SQL query decides.

So a flush, an eviction or an empty restart of Redis costs a query and never revives a token that was logged out.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says. Times are seconds since the epoch; `generation` stands in refresh tokens only."""

    user_id: str
    login_id: str
    jti: str
    type: str
    expires_at: int
    generation: int | None


@dataclass(frozen=True, slots=True)
class CachedUser:
    """Who a token may speak for. `logins` are the ids of the logins that are not revoked and have not expired."""

    id: str
    role: str
    is_active: bool
    logins: frozenset[str]
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody whose token was accepted."""

    user: CachedUser
    claims: Claims


class Administrator(Caller):
    """A caller who is one."""

    __slots__ = ()


class Verdict(Enum):
    """What the guard says of a token."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNSURE = "unsure"


def decide(claims: Claims, is_blacklisted: bool, user: CachedUser | None) -> Verdict:
    """Decide from the claims of a verified token, the blacklist and the user, as far as they are known."""
    if is_blacklisted:
        return Verdict.REFUSED
    if user is not None and user.is_active and user.id == claims.user_id and claims.login_id in user.logins:
        return Verdict.ACCEPTED
    return Verdict.UNSURE
