"""What is asked of the table of drives."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, select

from webapp.driving.schemas import ListQuery, SessionRowDocument
from webapp.http.paging import Order
from webapp.models import DrivingSession
from webapp.models.driving_session import IS_ACTIVE

_TABLE = DrivingSession.__table__
# What a row of a list does not show is not read: notes are the larger part of a document.
_ROW_COLUMNS = [_TABLE.c[name] for name in SessionRowDocument.model_fields]

NEWEST_FIRST = Order(_TABLE.c.started_at, _TABLE.c.id)


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


def silent_since(moment: datetime) -> ColumnElement[bool]:
    """Return what the active drives fulfil that were not heard of since a time."""
    return and_(IS_ACTIVE, DrivingSession.last_contact_at < moment)
