"""What a cached list is: the newest page of a driver's sessions, as `GET /sessions` answers it without filters.

Its version is a counter on the user's row that every change of one of the user's sessions raises, in the same
transaction.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import orjson
from flask import current_app
from sqlalchemy import Connection, Select, and_, bindparam, null, or_, select, update
from sqlalchemy.orm import Session

from webapp import cursors
from webapp.cache import keys
from webapp.cache.coherence import Changes, Fences
from webapp.cache.driving_sessions import UNSEEN, session_document
from webapp.cache.entries import Entry
from webapp.cache.kinds import Kind
from webapp.models import DrivingSession, User

DEFAULT_LIMIT = 20

SMALL_SUMMARY = ("status", "duration_s", "distance_m")
NOT_LISTED = ("notes", "device")
LEFT_OUT = (*NOT_LISTED, "summary")

# What a row does not show is not read: notes are the larger part of a document.
_COLUMNS = [
    null().label(column.name) if column.name in NOT_LISTED else column
    for column in DrivingSession.__table__.columns
    if column.name not in UNSEEN
]

_RAISE_COUNTER = (
    update(User)
    .where(User.id == bindparam("user_id"))
    .values(sessions_version=User.sessions_version + 1, updated_at=User.updated_at)
    .returning(User.sessions_version)
)


def small_row(session: Any) -> dict[str, Any]:
    """Return a session as it stands in a list: without notes, device and the summary's details."""
    row = {name: value for name, value in session_document(session).items() if name not in LEFT_OUT}
    return {**row, "summary": {name: session.summary.get(name) for name in SMALL_SUMMARY}}


def newest_first(user_id: str) -> Select[Any]:
    """Select a driver's sessions, newest first."""
    table = DrivingSession.__table__
    return (
        select(*_COLUMNS)
        .where(table.c.user_id == user_id, table.c.deleted_at.is_(None))
        .order_by(table.c.started_at.desc(), table.c.id.desc())
    )


def after(cursor: cursors.Cursor) -> Any:
    """Return the condition that a session comes after the cursor in the order of `newest_first`."""
    table = DrivingSession.__table__
    return or_(
        table.c.started_at < cursor.moment,
        and_(table.c.started_at == cursor.moment, table.c.id < cursor.id),
    )


def page(connection: Connection, query: Select[Any], limit: int) -> dict[str, Any]:
    """Read one page of `query`, in the form of the contract's lists."""
    rows = connection.execute(query.limit(limit + 1)).all()
    shown, has_more = rows[:limit], len(rows) > limit
    next_cursor = cursors.encode(cursors.Cursor(shown[-1].started_at, shown[-1].id)) if has_more else None
    return {"data": [small_row(row) for row in shown], "next_cursor": next_cursor, "has_more": has_more}


def raise_counters(session: Session, changes: Changes) -> Fences:
    """Raise the counter of every driver one of whose sessions changed, and return what that fences."""
    user_ids = sorted({changed.user_id for changed, _ in changes})
    # In the order of the ids, so that two transactions cannot wait for each other.
    return {keys.session_list(user_id): _raise_counter(session, user_id) for user_id in user_ids}


def present_counters(session: Session, unchanged: Changes) -> Fences:
    """Return what sessions that stay as they are fence: the lists at their present versions."""
    user_ids = {drive.user_id for drive, _ in unchanged}
    found = session.connection().execute(select(User.id, User.sessions_version).where(User.id.in_(user_ids)))
    return {keys.session_list(row.id): row.sessions_version for row in found}


def _raise_counter(session: Session, user_id: str) -> int:
    return session.connection().scalar(_RAISE_COUNTER, {"user_id": user_id})  # type: ignore[return-value]


def _load(connection: Connection, user_ids: Sequence[str]) -> dict[str, Entry]:
    # The counter is read before the rows: the rows are then at least as new as the version says.
    versions = connection.execute(select(User.id, User.sessions_version).where(User.id.in_(user_ids))).all()
    return {
        row.id: Entry(
            row.sessions_version, orjson.dumps(page(connection, newest_first(row.id), DEFAULT_LIMIT)).decode()
        )
        for row in versions
    }


def _changed_since(connection: Connection, since: datetime) -> Iterable[tuple[str, int]]:
    rows = connection.execute(
        select(User.id, User.sessions_version)
        .join(DrivingSession, DrivingSession.user_id == User.id)
        .where(DrivingSession.updated_at >= since)
        .distinct()
    )
    return [(row.id, row.sessions_version) for row in rows]


def _ttl_s() -> int:
    return int(current_app.config["SETTINGS"].session_cache_ttl)


SESSION_LISTS = Kind("session_list", keys.session_list, _ttl_s, _load, _changed_since)
