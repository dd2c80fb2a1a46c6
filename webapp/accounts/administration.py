"""What administrators see and change of accounts. A change takes effect on the next request in every process."""

from typing import Any

from sqlalchemy import select

from webapp.accounts.schemas import AdminChange
from webapp.auth import audit, logins
from webapp.auth.cached_users import user_document
from webapp.database import read_connection
from webapp.http.paging import Order, PageQuery, page
from webapp.models import User

_NEWEST_FIRST = Order(User.__table__.c.created_at, User.__table__.c.id)


def list_users(which: PageQuery) -> dict[str, Any]:
    """Return a page of the accounts, newest first."""
    query = select(*User.__table__.columns).where(User.deleted_at.is_(None))
    with read_connection() as connection:
        return page(connection, query, _NEWEST_FIRST, which, user_document)


def change(user_id: str, given: AdminChange, actor_id: str | None) -> User:
    """Change a user's role or activity. Raises NoSuchAccountError."""
    with logins.account_change(user_id) as user:
        if given.role is not None:
            _set_role(user, given.role, actor_id)
        if given.is_active is not None:
            _set_active(user, given.is_active, actor_id)
    return user


def id_of(email: str) -> str | None:
    """Return the id of the account with an address."""
    with read_connection() as connection:
        return connection.scalar(select(User.id).where(User.email == email))


def _set_role(user: User, role: str, actor_id: str | None) -> None:
    if user.role != role:
        audit.record(audit.ROLE_CHANGED, user.id, actor_id=actor_id, detail={"from": user.role, "to": role})
        user.role = role


def _set_active(user: User, is_active: bool, actor_id: str | None) -> None:
    if user.is_active != is_active:
        audit.record(audit.ACTIVATED if is_active else audit.DEACTIVATED, user.id, actor_id=actor_id)
        user.is_active = is_active
    if not is_active:
        logins.revoke(user, "deactivated")
