"""How an account begins."""

from sqlalchemy.exc import IntegrityError

from webapp.accounts.schemas import Registration
from webapp.auth import audit, passwords
from webapp.database import db
from webapp.http.errors import Conflict
from webapp.models import User


def register(given: Registration) -> User:
    """Make an account. Raises 409 for an e-mail address that has one, 422 for a password that is tried first."""
    passwords.require_uncommon(given.password, given.email, "/password")
    password_hash = passwords.hash_password(given.password)
    user = User(email=given.email, password_hash=password_hash, full_name=given.full_name)
    db.session.add(user)
    try:
        db.session.flush()
    except IntegrityError:
        raise Conflict("There is an account with this e-mail address.", code="email_taken") from None
    audit.record(audit.REGISTERED, user.id)
    return user
