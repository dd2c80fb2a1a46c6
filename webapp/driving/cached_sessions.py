"""The cached driving session: its owner, and the JSON that `GET /sessions/{id}` answers, byte for byte."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, select

from webapp.cache import fills
from webapp.cache.entries import Entry
from webapp.cache.fills import Source
from webapp.cache.kinds import Kind, RowVersion
from webapp.config import settings
from webapp.database import read_connection
from webapp.driving import queries
from webapp.driving.documents import session_document
from webapp.driving.schemas import SessionDocument
from webapp.models import DrivingSession
from webapp.models.driving_session import ACTIVE

SESSION_CACHE_PREFIX = "session:"
SESSION_CACHE_TTL = 300
"""How long a cached session lives, in s, unless the setting of this name says otherwise."""

OWNER_LENGTH = 36

_TABLE = DrivingSession.__table__
_COLUMNS = [_TABLE.c[name] for name in (*SessionDocument.model_fields, "deleted_at")]
# Built once: to build it takes longer than PostgreSQL needs to answer it for one id.
_BY_ID = select(*_COLUMNS).where(_TABLE.c.id.in_(bindparam("session_ids", expanding=True)))


class CachedSession(NamedTuple):
    """A driving session as it is served. Whoever serves it must ask first whether the caller may see it."""

    owner_id: str
    version: int
    json: str

    def is_visible_to(self, user_id: str) -> bool:
        """Say whether a user may see the session: only its driver may. Asked on hits and misses alike."""
        return user_id == self.owner_id


def parse(entry: Entry) -> CachedSession | None:
    """Return the session in an entry, or None if there is no such session."""
    if not entry.body:
        return None
    return CachedSession(entry.body[:OWNER_LENGTH], entry.version, entry.body[OWNER_LENGTH:])


def get(session_id: str) -> tuple[CachedSession | None, Source]:
    """Return a session through the cache, and where it came from."""
    entry, source = fills.get(SESSIONS, session_id)
    return parse(entry), source


def get_active(user_id: str) -> tuple[CachedSession | None, Source]:
    """Return a driver's session that is going on."""
    with read_connection() as connection:
        session_id = queries.active_id(connection, user_id)
    session, source = get(session_id) if session_id else (None, Source.MISS)
    if session is None or orjson.loads(session.json)["status"] != ACTIVE:  # It may have ended since.
        return None, source
    return session, source


def _load(connection: Connection, session_ids: Sequence[str]) -> dict[str, Entry]:
    rows = connection.execute(_BY_ID, {"session_ids": session_ids})
    return {row.id: _entry(row) for row in rows}


def _entry(row: Any) -> Entry:
    if row.deleted_at is not None:
        return Entry(row.version, "")
    return Entry(row.version, row.user_id + orjson.dumps(session_document(row)).decode())


SESSIONS = Kind(
    name="session",
    prefix=SESSION_CACHE_PREFIX,
    version=RowVersion(DrivingSession),
    load=_load,
    shape=(SessionDocument, CachedSession),
    ttl_s=lambda: settings().session_cache_ttl,
    is_warmed=True,
    first_reads=queries.newest_and_active,
)
