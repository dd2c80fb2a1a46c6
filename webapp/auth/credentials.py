"""Logging in with an e-mail address and a password."""

from sqlalchemy import Row, select

from webapp.auth import audit, logins, passwords
from webapp.auth.limits import count_failed_login
from webapp.auth.schemas import Credentials
from webapp.database import db, read_connection
from webapp.http.errors import Unauthorized, standing
from webapp.models import Login, User

ATTEMPTS = 2
"""A login at the same time may have hashed the same password anew."""


class _OtherHashError(Exception):
    """The password's hash was changed while we computed."""


def log_in(given: Credentials, user_agent: str | None, ip: str | None) -> tuple[User, Login]:
    """Begin a login. Raises 401 or 503."""
    for _ in range(ATTEMPTS):
        try:
            return _begun(given, user_agent, ip)
        except _OtherHashError:
            db.session.rollback()  # Nobody waits for us while we compute anew.
        except logins.NoSuchAccountError:  # Deleted while we computed.
            break
    raise _wrong_credentials()


def _begun(given: Credentials, user_agent: str | None, ip: str | None) -> tuple[User, Login]:
    with passwords.turn():
        found = _verified(given)
        new_hash = passwords.hash_password(given.password) if passwords.needs_rehash(found.password_hash) else None
    with logins.account_change(found.id) as user:
        if not user.is_active:
            raise _wrong_credentials()
        if user.password_hash != found.password_hash:
            raise _OtherHashError
        user.password_hash = new_hash or user.password_hash
        started = logins.start(user, user_agent, ip)
        audit.record(audit.LOGIN, user.id, login_id=started.id)
        return user, started


def _verified(given: Credentials) -> Row[str, str, bool]:
    """Return the account of these credentials. Raises 401.

    The password is verified before anything else is looked at, so that the time it takes does not tell who has an
    account.
    """
    query = select(User.id, User.password_hash, User.is_active).where(User.email == given.email)
    with read_connection() as connection:
        found = connection.execute(query).first()
    is_right = passwords.is_password(given.password, found.password_hash if found else None)
    if found is not None and is_right and found.is_active:
        return found
    count_failed_login(given.email)
    audit.record(audit.LOGIN_FAILED, found.id if found else None)
    raise standing(_wrong_credentials())


def _wrong_credentials() -> Unauthorized:
    return Unauthorized("E-mail address or password is wrong.", code="invalid_credentials", reason="")
