"""Logins: one row per device, a family of refresh tokens of which only the newest generation is good.

Everything that changes who may call goes through `account_change`: it locks the user, and raises the version, so that
with the commit the listeners fence `user:{user_id}`, and the next request of every process asks the database.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Select, select, update
from sqlalchemy.orm.attributes import flag_modified

from webapp.auth import audit
from webapp.auth.guard import Caller, Claims
from webapp.clock import utcnow
from webapp.config import settings
from webapp.database import db, read_connection
from webapp.http.errors import Unauthorized, standing
from webapp.models import Login, User, is_id

log = structlog.get_logger(__name__)

REUSE_GRACE_S = 10
"""How long after a rotation the direct parent gets the current generation, in s: two tabs may refresh at once."""


class NoSuchAccountError(LookupError):
    """There is no such account, or it was deleted."""


@contextmanager
def account_change(user_id: str, *, changes_email: bool = False) -> Iterator[User]:
    """Lend the locked user to a change of who may call; at the end of the block its version is marked to rise. Raises
    NoSuchAccountError.

    An address is a key to PostgreSQL: to change it is to wait for all who refer to the user. That must be done before
    the user is locked, or one who refers already, and now wants to change the user too, waits for us and we for them.
    """
    lock = {"key_share": not changes_email}
    user = db.session.get(User, user_id, with_for_update=lock, populate_existing=True) if is_id(user_id) else None
    if user is None or user.deleted_at is not None:
        raise NoSuchAccountError(user_id)
    yield user
    # The time may be the same to the millisecond, so the row is marked as changed whatever it says.
    user.updated_at = utcnow()
    flag_modified(user, "updated_at")


@contextmanager
def own_account_change(caller: Caller, *, changes_email: bool = False) -> Iterator[User]:
    """Lend the callers' own locked user, as `account_change` does. Raises 401 if it is gone by now."""
    with ExitStack() as stack:
        try:
            user = stack.enter_context(account_change(caller.user.id, changes_email=changes_email))
        except NoSuchAccountError:
            raise revoked() from None
        yield user


def hold_account(user_id: str) -> None:
    """Keep an account open until the present transaction ends. Raises 401 if it was closed or deleted.

    For who stores something new in its name: the guard has looked before, and its answer may be old by now. Ask when
    all is written: drives are locked before their user, and by one order for all nobody waits in a circle.
    """
    is_open = select(User.id).where(User.id == user_id, User.is_active, User.deleted_at.is_(None))
    if db.session.scalar(is_open.with_for_update(read=True)) is None:
        raise revoked()


def start(user: User, user_agent: str | None, ip: str | None) -> Login:
    """Add a login of a locked user. One too many ends the one that was used longest ago."""
    now = utcnow()
    for surplus in alive(user.id)[settings().max_logins_per_user - 1 :]:
        revoke(user, "too_many_logins", only=surplus)
    login = Login(
        user_id=user.id, created_at=now, last_used_at=now, expires_at=_expiry(now), user_agent=user_agent, ip=ip
    )
    db.session.add(login)
    db.session.flush()
    return login


def alive(user_id: str) -> list[str]:
    """Return the ids of a user's logins that are neither revoked nor expired, last used first."""
    return list(db.session.scalars(_alive(user_id).with_only_columns(Login.id)))


def listed(user_id: str) -> list[Any]:
    """Return the rows of a user's logins that are alive, last used first."""
    with read_connection() as connection:
        return list(connection.execute(_alive(user_id).with_only_columns(*Login.__table__.columns)))


def _alive(user_id: str) -> Select[Any]:
    return (
        select(Login)
        .where(Login.user_id == user_id, Login.revoked_at.is_(None), Login.expires_at > utcnow())
        .order_by(Login.last_used_at.desc(), Login.id.desc())
    )


def revoke(user: User, reason: str, *, only: str | None = None) -> None:
    """Revoke the logins of a locked user: all of them, or `only` one."""
    query = update(Login).where(Login.user_id == user.id, Login.revoked_at.is_(None))
    if only is not None:
        query = query.where(Login.id == only)
    db.session.execute(
        query.values(revoked_at=utcnow(), revoke_reason=reason).execution_options(synchronize_session=False)
    )


def end(caller: Caller, login_id: str) -> bool:
    """End one of the caller's own logins. Returns whether it was alive. Raises 401."""
    with own_account_change(caller) as user:
        # One that is dead already is not told to be so before every process has heard of it.
        is_alive = login_id in alive(user.id)
        if is_alive:
            revoke(user, "revoked", only=login_id)
            audit.record(audit.LOGIN_REVOKED, user.id, login_id=login_id)
    return is_alive


def log_out(caller: Caller) -> None:
    """End the login that is calling. Raises 401."""
    with own_account_change(caller) as user:
        revoke(user, "logout", only=caller.claims.login_id)
        audit.record(audit.LOGOUT, user.id, login_id=caller.claims.login_id)


def log_out_everywhere(caller: Caller) -> None:
    """End all of the caller's logins. Raises 401."""
    with own_account_change(caller) as user:
        revoke(user, "logout_all")
        audit.record(audit.LOGOUT_ALL, user.id, login_id=caller.claims.login_id)


def require_alive(user: User, login_id: str) -> None:
    """Refuse (401) a login that a locked user has lost since the guard let it through."""
    if login_id not in alive(user.id):
        raise revoked()


def rotate(caller: Caller) -> Login:
    """Exchange a refresh token for the next generation.

    One conditional UPDATE decides who rotates. Who comes second with the direct parent, within the grace, gets the
    generation that the first one made. Anything older was stolen or replayed: the family dies. Raises 401.
    """
    claims, now = caller.claims, utcnow()
    rotated = db.session.execute(
        update(Login)
        .where(
            Login.id == claims.login_id,
            Login.user_id == claims.user_id,
            Login.generation == claims.generation,
            Login.revoked_at.is_(None),
            Login.expires_at > now,
        )
        .values(generation=Login.generation + 1, rotated_at=now, last_used_at=now, expires_at=_expiry(now))
        .execution_options(synchronize_session=False)
    )
    login = db.session.get(Login, claims.login_id, populate_existing=True)
    if login is None or login.user_id != claims.user_id or login.revoked_at is not None or login.expires_at <= now:
        raise revoked()
    if rotated.rowcount == 1 or _is_direct_parent(claims, login, now):  # type: ignore[attr-defined]
        return login
    with own_account_change(caller) as user:
        revoke(user, "refresh_reuse", only=login.id)
        audit.record(audit.REFRESH_REUSED, user.id, login_id=login.id)
    log.warning("refresh_token_reused", user_id=user.id, login_id=login.id)
    reused = Unauthorized("The refresh token has been used before. Log in again.", code="refresh_token_reused")
    raise standing(reused)


def _is_direct_parent(claims: Claims, login: Login, now: datetime) -> bool:
    return (
        claims.generation == login.generation - 1
        and login.rotated_at is not None
        and now - login.rotated_at <= timedelta(seconds=REUSE_GRACE_S)
    )


def _expiry(now: datetime) -> datetime:
    return now + timedelta(days=settings().refresh_token_expire_days)


def revoked() -> Unauthorized:
    """Make the answer to a token whose login has ended."""
    return Unauthorized("The token has been revoked.", code="token_revoked")
