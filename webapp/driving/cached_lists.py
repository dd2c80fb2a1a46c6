"""The cached list: the newest page of a driver's sessions, as `GET /sessions` answers it without filters."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, select, update
from sqlalchemy.orm import Session

from webapp.cache.entries import Entry
from webapp.cache.kinds import Changes, Kind, VersionsById
from webapp.config import settings
from webapp.driving import queries
from webapp.driving.documents import session_row
from webapp.driving.schemas import SessionListDocument
from webapp.http.paging import PageQuery, page
from webapp.models import DrivingSession, User

_RAISE_COUNTER = (
    update(User)
    .where(User.id == bindparam("user_id"))
    .values(sessions_version=User.sessions_version + 1, updated_at=User.updated_at)
    .returning(User.sessions_version)
)


@dataclass(frozen=True)
class ListVersion:
    """A counter on the user's row that every change of one of the user's sessions raises, in the same transaction."""

    model: type[DrivingSession] = DrivingSession

    def of_changed(self, session: Session, changes: Changes) -> VersionsById:
        """Raise the counter of every driver one of whose sessions changed."""
        # In the order of the ids, so that two transactions cannot wait for each other.
        user_ids = sorted({changed.user_id for changed, _ in changes})
        return {user_id: _raise_counter(session, user_id) for user_id in user_ids}

    def of_unchanged(self, session: Session, unchanged: Changes) -> VersionsById:
        """Return the counters as they are."""
        return _counters(session.connection(), {drive.user_id for drive, _ in unchanged})

    def changed_since(self, connection: Connection, since: datetime) -> Iterable[tuple[str, int]]:
        """Return driver and counter of every list of which a session changed at or after a time."""
        rows = connection.execute(
            select(User.id, User.sessions_version)
            .join(DrivingSession, DrivingSession.user_id == User.id)
            .where(DrivingSession.updated_at >= since)
            .distinct()
        )
        return [(row.id, row.sessions_version) for row in rows]


def _raise_counter(session: Session, user_id: str) -> int:
    return session.connection().scalar(_RAISE_COUNTER, {"user_id": user_id})  # type: ignore[return-value]


def _counters(connection: Connection, user_ids: Iterable[str]) -> dict[str, int]:
    rows = connection.execute(select(User.id, User.sessions_version).where(User.id.in_(user_ids)))
    return {row.id: row.sessions_version for row in rows}


def list_page(connection: Connection, query: Any, which: PageQuery) -> dict[str, Any]:
    """Read a page of a driver's sessions."""
    return page(connection, query, queries.NEWEST_FIRST, which, session_row)


def _load(connection: Connection, user_ids: Sequence[str]) -> dict[str, Entry]:
    # The counter is read before the rows: the rows are then at least as new as the version says.
    versions = _counters(connection, user_ids)
    pages = {id: list_page(connection, queries.rows_of(id), PageQuery()) for id in versions}
    return {id: Entry(versions[id], orjson.dumps(shown).decode()) for id, shown in pages.items()}


SESSION_LISTS = Kind(
    name="session_list",
    prefix="sessions:",
    version=ListVersion(),
    load=_load,
    shape=(SessionListDocument,),
    ttl_s=lambda: settings().session_cache_ttl,
    first_reads=lambda _connection, user_id: [user_id],
)
