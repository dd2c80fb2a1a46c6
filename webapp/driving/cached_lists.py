"""The cached list: which of a driver's sessions stand on the newest page, in order, and which one is going on.

What is shown of them comes from the entries of the sessions themselves. So only what changes the page makes it old (a
start, an end, a deletion), and no upload does.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, and_, bindparam, select, update
from sqlalchemy.orm import Session

from webapp.cache import fills
from webapp.cache.entries import Entry
from webapp.cache.fills import Source
from webapp.cache.kinds import Changes, Kind, VersionsById
from webapp.cache.unnoted import NOTED
from webapp.config import settings
from webapp.database import read_connection
from webapp.driving import cached_sessions, queries
from webapp.driving.cached_sessions import SESSIONS, CachedSession
from webapp.driving.documents import session_row
from webapp.http.paging import PageQuery, page
from webapp.models import DrivingSession, User
from webapp.models.driving_session import IS_ACTIVE

MEMBERSHIP = ("status", "deleted_at", "started_at")
"""The columns that say what stands in a list, and where."""

_OF_USERS = (
    select(User.id, User.sessions_version, DrivingSession.id.label("active_id"))
    .outerjoin(DrivingSession, and_(DrivingSession.user_id == User.id, IS_ACTIVE))
    .where(User.id.in_(bindparam("user_ids", expanding=True)))
)
_RAISE_COUNTER = (
    update(User)
    .where(User.id == bindparam("user_id"))
    .values(sessions_version=User.sessions_version + 1, updated_at=User.updated_at)
    .returning(User.sessions_version)
)


@dataclass(frozen=True)
class ListVersion:
    """A counter on the user's row that what changes the user's list raises, in the same transaction."""

    model: type[DrivingSession] = DrivingSession

    def of_changed(self, session: Session, changes: Changes) -> VersionsById:
        """Raise the counter of every driver who has a session more or less, or one that goes on or does so no more."""
        # In the order of the ids, so that two transactions cannot wait for each other.
        user_ids = sorted({change.row.user_id for change in changes if change.touches(*MEMBERSHIP)})
        return {user_id: _raise_counter(session, user_id) for user_id in user_ids}

    def of_unchanged(self, session: Session, row: Any) -> VersionsById:
        """Return the counter as it is."""
        return _counters(session.connection(), [row.user_id])

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
    return session.connection().scalar(_RAISE_COUNTER, {"user_id": user_id}, execution_options=NOTED)  # type: ignore[return-value]


def _counters(connection: Connection, user_ids: Iterable[str]) -> dict[str, int]:
    rows = connection.execute(select(User.id, User.sessions_version).where(User.id.in_(user_ids)))
    return {row.id: row.sessions_version for row in rows}


def list_page(connection: Connection, query: Any, which: PageQuery) -> dict[str, Any]:
    """Read a page of a driver's sessions."""
    return page(connection, query, queries.NEWEST_FIRST, which, session_row)


class CachedList(NamedTuple):
    """The newest page of a driver's sessions, as ids, and the id of the one that is going on."""

    ids: list[str]
    next_cursor: str | None
    has_more: bool
    active_id: str | None

    def shown(self, user_id: str, sessions: Iterable[Entry | None]) -> str | None:
        """Write the page, given the entries of its sessions, as `GET /sessions` answers it without filters.

        None: not all of them are there, or one was deleted a moment ago.
        """
        rows = []
        for entry in sessions:
            session = cached_sessions.parse(entry) if entry is not None else None
            if session is None or not session.is_visible_to(user_id):
                return None
            rows.append(session.row)
        if len(rows) != len(self.ids):
            return None
        end = orjson.dumps({"next_cursor": self.next_cursor, "has_more": self.has_more}).decode()
        return f'{{"data":[{",".join(rows)}],{end[1:]}'


def parse(entry: Entry) -> CachedList | None:
    """Return the list in an entry, or None if there is no such user."""
    return CachedList(*orjson.loads(entry.body)) if entry.body else None


def get_first_page(user_id: str) -> tuple[str, Source]:
    """Return the newest page of a driver's sessions through the cache, as JSON, and where it came from."""
    entry, source = fills.get(SESSION_LISTS, user_id)
    if listed := parse(entry):
        sessions, source_of_rows = fills.get_many(SESSIONS, listed.ids)
        if shown := listed.shown(user_id, sessions):
            return shown, source.joined(source_of_rows)
    # Something was deleted in between: the database shows all of it as it is at one moment.
    with read_connection() as connection:
        page = list_page(connection, queries.rows_of(user_id), PageQuery())
    return orjson.dumps(page).decode(), Source.BYPASS


def get_active(user_id: str) -> tuple[CachedSession | None, Source]:
    """Return a driver's session that is going on, through the cache, and where it came from."""
    entry, source = fills.get(SESSION_LISTS, user_id)
    listed = parse(entry)
    if listed is None or listed.active_id is None:
        return None, source
    session, source_of_session = cached_sessions.get(listed.active_id)
    source = source.joined(source_of_session)
    # It may have ended since.
    return (session, source) if session is not None and session.goes_on else (None, source)


def _load(connection: Connection, user_ids: Sequence[str]) -> dict[str, Entry]:
    # The counter is read before the rows: the rows are then at least as new as the version says.
    users = connection.execute(_OF_USERS, {"user_ids": list(user_ids)}).all()
    return {user.id: Entry(user.sessions_version, _body(connection, user)) for user in users}


def _body(connection: Connection, user: Any) -> str:
    ids = queries.rows_of(user.id).with_only_columns(*queries.NEWEST_FIRST)
    found = page(connection, ids, queries.NEWEST_FIRST, PageQuery(), lambda row: row.id)
    listed = CachedList(found["data"], found["next_cursor"], found["has_more"], user.active_id)
    return orjson.dumps(tuple(listed)).decode()


SESSION_LISTS = Kind(
    name="session_list",
    prefix="sessions:",
    version=ListVersion(),
    load=_load,
    shape=(CachedList,),
    ttl_s=lambda: settings().session_cache_ttl,
    is_warmed=True,
    layout=2,
    shown_with=lambda entry: (SESSIONS, _ids_in(entry)),
    first_reads=lambda _connection, user_id: [user_id],
)


def _ids_in(entry: Entry) -> set[str]:
    """Return the ids of all sessions that a list names."""
    listed = parse(entry)
    return {*listed.ids, *([listed.active_id] if listed.active_id else [])} if listed else set()
