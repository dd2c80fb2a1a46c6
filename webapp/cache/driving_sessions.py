"""What a cached driving session is: its owner, and the JSON that `GET /sessions/{id}` answers, byte for byte."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from flask import current_app
from sqlalchemy import Connection, bindparam, select

from webapp.cache import fills, keys
from webapp.cache.entries import Entry
from webapp.cache.fills import Source
from webapp.cache.kinds import Kind
from webapp.clock import rfc3339
from webapp.models import DrivingSession

SESSION_CACHE_PREFIX = keys.SESSION_PREFIX
SESSION_CACHE_TTL = 300
"""How long a cached session lives, in s, unless the setting of this name says otherwise."""

OWNER_LENGTH = 36

_TABLE = DrivingSession.__table__
UNSEEN = ("last_contact_at", "closed_at", "sums")
"""Columns that no client sees: times of the server's clock, and what the summary is made of."""

_COLUMNS = [column for column in _TABLE.columns if column.name not in UNSEEN]
# Built once: to build it takes longer than PostgreSQL needs to answer it for one id.
_BY_ID = select(*_COLUMNS).where(_TABLE.c.id.in_(bindparam("session_ids", expanding=True)))


class CachedSession(NamedTuple):
    """A driving session as it is served. Whoever serves it must hold `owner_id` against the caller first."""

    owner_id: str
    version: int
    json: str


def session_document(session: Any) -> dict[str, Any]:
    """Return the session of the HTTP contract, of a `DrivingSession` or of a row with its columns."""
    return {
        "id": session.id,
        "user_id": session.user_id,
        "client_session_id": session.client_session_id,
        "status": session.status,
        "end_reason": session.end_reason,
        "name": session.name,
        "notes": session.notes,
        "tags": session.tags,
        "vehicle": session.vehicle,
        "device": session.device,
        "started_at": rfc3339(session.started_at),
        "ended_at": rfc3339(session.ended_at),
        "last_reading_at": rfc3339(session.last_reading_at),
        "readings_count": session.readings_count,
        "last_seq": session.last_seq,
        "summary": session.summary,
        "version": session.version,
        "created_at": rfc3339(session.created_at),
        "updated_at": rfc3339(session.updated_at),
    }


def parse(entry: Entry) -> CachedSession | None:
    """Return the session in an entry, or None if there is no such session."""
    if not entry.body:
        return None
    return CachedSession(entry.body[:OWNER_LENGTH], entry.version, entry.body[OWNER_LENGTH:])


def get(session_id: str) -> tuple[CachedSession | None, Source]:
    """Return a session through the cache, and where it came from."""
    entry, source = fills.get(SESSIONS, session_id)
    return parse(entry), source


def warm(session_id: str) -> None:
    """Fill the cached session unless it is there."""
    fills.warm(SESSIONS, [session_id])


def _load(connection: Connection, session_ids: Sequence[str]) -> dict[str, Entry]:
    rows = connection.execute(_BY_ID, {"session_ids": session_ids})
    return {row.id: _entry(row) for row in rows}


def _entry(row: Any) -> Entry:
    if row.deleted_at is not None:
        return Entry(row.version, "")
    return Entry(row.version, row.user_id + orjson.dumps(session_document(row)).decode())


def _changed_since(connection: Connection, since: datetime) -> Iterable[tuple[str, int]]:
    rows = connection.execute(
        select(DrivingSession.id, DrivingSession.version).where(DrivingSession.updated_at >= since)
    )
    return [(row.id, row.version) for row in rows]


def _ttl_s() -> int:
    return int(current_app.config["SETTINGS"].session_cache_ttl)


SESSIONS = Kind("session", keys.session, _ttl_s, _load, _changed_since)
