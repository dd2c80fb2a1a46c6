"""What is asked of the table of drives."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select

from webapp.driving.schemas import ListQuery, SessionRowDocument
from webapp.http.paging import Order
from webapp.models import DrivingSession
from webapp.models.driving_session import IS_ACTIVE

_TABLE = DrivingSession.__table__
# What a row of a list does not show is not read: notes are the larger part of a document.
_ROW_COLUMNS = [_TABLE.c[name] for name in SessionRowDocument.model_fields]

NEWEST_FIRST = Order(_TABLE.c.started_at, _TABLE.c.id)

FIRST_PAGE = 20

# Built once. Whose it is stands in the query: nobody may lock, and so hold up, somebody else's row.
LOCKED = (
    select(DrivingSession)
    .where(DrivingSession.id == bindparam("session_id"), DrivingSession.user_id == bindparam("user_id"))
    .with_for_update(key_share=True)
    .execution_options(populate_existing=True)
)


def rows_of(user_id: str) -> Select[Any]:
    """Select a driver's sessions, with the columns that a list shows."""
    return select(*_ROW_COLUMNS).where(_TABLE.c.user_id == user_id, _TABLE.c.deleted_at.is_(None))


def filtered(user_id: str, query: ListQuery) -> Select[Any]:
    """Select those of a driver's sessions that pass the filters of a list."""
    conditions = [
        _TABLE.c.status == query.status if query.status else None,
        _TABLE.c.started_at >= query.from_ if query.from_ else None,
        _TABLE.c.started_at < query.to if query.to else None,
        _TABLE.c.updated_at >= query.updated_since if query.updated_since else None,
    ]
    return rows_of(user_id).where(*(given for given in conditions if given is not None))


def active_id(connection: Connection, user_id: str) -> str | None:
    """Return the id of the drive that is going on."""
    return connection.scalar(select(DrivingSession.id).where(DrivingSession.user_id == user_id, IS_ACTIVE))


def newest_and_active(connection: Connection, user_id: str) -> Iterable[str]:
    """Return the ids of a driver's newest sessions and of the active one."""
    newest = rows_of(user_id).with_only_columns(_TABLE.c.id).order_by(*(column.desc() for column in NEWEST_FIRST))
    active = active_id(connection, user_id)
    return [*connection.scalars(newest.limit(FIRST_PAGE)), *([active] if active else [])]


def silent_since(moment: datetime) -> Select[Any]:
    """Select the active drives that were not heard of since a time."""
    return select(DrivingSession).where(IS_ACTIVE, DrivingSession.last_contact_at < moment)
