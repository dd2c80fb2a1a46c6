"""The present password: asked for before what cannot be undone, and changed."""

from sqlalchemy import select

from webapp.auth import audit, limits, logins, passwords
from webapp.auth.guard import Caller
from webapp.database import read_connection
from webapp.http.errors import Forbidden, standing
from webapp.models import Login, User


def require(caller: Caller, password: str) -> str:
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
        raise standing(wrong())
    return str(password_hash)


def wrong() -> Forbidden:
    """Make the answer to a wrong present password. Not a 401: the token is good, and must not be thrown away."""
    return Forbidden("The password is wrong.", code="wrong_password")


def change(caller: Caller, current: str, new: str, user_agent: str | None, ip: str | None) -> tuple[User, Login]:
    """Set a new password; every login dies, and a new one begins. Returns the user and that login.

    The calling login dies too: whoever holds a copy of one of its tokens would otherwise stay in. Raises 401, 403, 422,
    429 or 503.
    """
    passwords.require_uncommon(new, caller.user.document["email"], "/new_password")
    limits.limit_password_check(caller.user.document["email"])
    with passwords.turn():
        checked = require(caller, current)
        new_hash = passwords.hash_password(new)
    with logins.own_account_change(caller) as user:
        logins.require_alive(user, caller.claims.login_id)
        if user.password_hash != checked:
            raise wrong()
        user.password_hash = new_hash
        logins.revoke(user, "password_change")
        login = logins.start(user, user_agent, ip)
        audit.record(audit.PASSWORD_CHANGED, user.id, login_id=caller.claims.login_id)
        audit.record(audit.LOGIN, user.id, login_id=login.id)
    return user, login
