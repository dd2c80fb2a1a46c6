"""Changes of accounts: password, role, activity, deletion. Each takes effect on the next request in every process."""

import structlog
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from webapp.auth import audit, erasure, limits, logins, passwords
from webapp.auth.guard import Caller
from webapp.batches import Budget
from webapp.clock import utcnow
from webapp.database import read_connection
from webapp.extensions import db
from webapp.http.errors import Conflict, Forbidden, field_error
from webapp.models import Login, User

log = structlog.get_logger(__name__)


def register(email: str, password: str, full_name: str) -> User:
    """Make an account. Raises 409 for an e-mail address that has one, 422 for a password that is tried first."""
    require_uncommon(password, email, "/password")
    user = User(email=email, password_hash=passwords.hash_password(password), full_name=full_name)
    db.session.add(user)
    try:
        db.session.flush()
    except IntegrityError:
        db.session.rollback()
        raise Conflict("There is an account with this e-mail address.", code="email_taken") from None
    audit.record(audit.REGISTERED, user.id)
    db.session.commit()
    return user


def require_uncommon(password: str, email: str | None, pointer: str) -> None:
    """Refuse (422) a password that somebody who guesses tries first."""
    if passwords.is_common(password) or password.casefold() == email:
        raise field_error(pointer, "common_password", "is too easy to guess")


def require_password(caller: Caller, password: str) -> str:
    """Hold a password against the account's, and return the hash that it matches.

    Raises 403 or 503. Whoever holds a stolen token must not find the password by trying: limit the checks before, and
    before there is anything to wait for.
    """
    with passwords.turn():
        with read_connection() as connection:
            password_hash = connection.scalar(select(User.password_hash).where(User.id == caller.user.id))
        is_right = passwords.is_password(password, password_hash)
    if not is_right:
        limits.count_failed_login(caller.user.document["email"])
        audit.record(audit.LOGIN_FAILED, caller.user.id, login_id=caller.claims.login_id)
        db.session.commit()
        raise wrong_password()
    return str(password_hash)


def wrong_password() -> Forbidden:
    """Make the answer to a wrong present password. Not a 401: the token is good, and must not be thrown away."""
    return Forbidden("The password is wrong.", code="wrong_password")


def change_password(
    caller: Caller, current: str, new: str, user_agent: str | None, ip: str | None
) -> tuple[User, Login]:
    """Set a new password; every login dies, and a new one begins. Returns the user and that login.

    The calling login dies too: whoever holds a copy of one of its tokens would otherwise stay in. Raises 401, 403, 422,
    429 or 503.
    """
    require_uncommon(new, caller.user.document["email"], "/new_password")
    limits.limit_password_check(caller.user.document["email"])
    with passwords.turn():
        checked = require_password(caller, current)
        new_hash = passwords.hash_password(new)
    with logins.account_change(caller.user.id) as user:
        logins.require_alive(user, caller.claims.login_id)
        if user.password_hash != checked:
            raise wrong_password()
        user.password_hash = new_hash
        logins.revoke(user, "password_change")
        login = logins.start(user, user_agent, ip)
        audit.record(audit.PASSWORD_CHANGED, user.id, login_id=caller.claims.login_id)
        audit.record(audit.LOGIN, user.id, login_id=login.id)
    return user, login


def set_role(user: User, role: str, actor_id: str | None) -> None:
    """Give a locked user another role."""
    if user.role != role:
        audit.record(audit.ROLE_CHANGED, user.id, actor_id=actor_id, detail={"from": user.role, "to": role})
        user.role = role


def set_active(user: User, is_active: bool, actor_id: str | None) -> None:
    """Close a locked user's account to logins, or open it. Closing it ends every login."""
    if user.is_active != is_active:
        audit.record(audit.ACTIVATED if is_active else audit.DEACTIVATED, user.id, actor_id=actor_id)
        user.is_active = is_active
    if not is_active:
        logins.revoke(user, "deactivated")


def delete_account(caller: Caller, password: str) -> None:
    """Close an account for good, and erase it. Raises 401, 403, 429 or 503.

    The erasing takes transactions of its own, after the closing. A request that was under way has either stored by
    then, and is met, or will find the account closed (`logins.hold_account`). What takes too long for a request is
    left to the worker. An empty row stays for a while, so that the reconciler can still tell that cached entries are
    behind it.
    """
    limits.limit_password_check(caller.user.document["email"])
    checked = require_password(caller, password)
    with logins.account_change(caller.user.id, changes_email=True) as user:
        if user.password_hash != checked:
            raise wrong_password()
        logins.revoke(user, "account_deleted")
        audit.record(audit.DELETED, user.id)
        user.email, user.full_name, user.password_hash = None, "", ""
        user.is_active, user.deleted_at = False, utcnow()
    try:
        erasure.erase_account(caller.user.id, Budget(erasure.IN_THE_REQUEST_S))
    except SQLAlchemyError as error:
        # The account is closed, and that is what is acknowledged.
        db.session.rollback()
        log.warning("erasing_left_to_the_worker", user_id=caller.user.id, error=type(error).__name__)
