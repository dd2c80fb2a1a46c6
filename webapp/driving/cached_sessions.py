"""The cached driving session: its owner, and the JSON that `GET /sessions/{id}` answers, byte for byte.

A body is a head of fixed length (the owner's id, whether the drive is going on, how much of the JSON a list shows), and
then the JSON.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select

from webapp.cache import fills
from webapp.cache.entries import Entry
from webapp.cache.fills import Source
from webapp.cache.kinds import Kind, RowVersion
from webapp.config import settings
from webapp.driving.documents import ROW_END, session_json
from webapp.driving.schemas import SessionDocument, SessionRowDocument
from webapp.models import DrivingSession
from webapp.models.driving_session import ACTIVE

SESSION_CACHE_PREFIX = "session:"
SESSION_CACHE_TTL = 300
"""How long a cached session lives, in s, unless the setting of this name says otherwise."""

OWNER_LENGTH, HEAD_LENGTH = 36, 42
GOES_ON, HAS_ENDED = "a", "-"

_TABLE = DrivingSession.__table__
_COLUMNS = [_TABLE.c[name] for name in (*SessionDocument.model_fields, "deleted_at")]
# Built once: to build it takes longer than PostgreSQL needs to answer it for one id.
_BY_ID = select(*_COLUMNS).where(_TABLE.c.id.in_(bindparam("session_ids", expanding=True)))


class CachedSession(NamedTuple):
    """A driving session as it is served. Whoever serves it must ask first whether the caller may see it."""

    owner_id: str
    version: int
    goes_on: bool
    row_length: str
    json: str

    def is_visible_to(self, user_id: str) -> bool:
        """Say whether a user may see the session: only its driver may. Asked on hits and misses alike."""
        return user_id == self.owner_id

    @property
    def row(self) -> str:
        """The JSON that lists show of the session."""
        return self.json[: int(self.row_length)] + ROW_END


def parse(entry: Entry) -> CachedSession | None:
    """Return the session in an entry, or None if there is no such session."""
    version, body = entry
    if not body:
        return None
    goes_on = body[OWNER_LENGTH] == GOES_ON
    return CachedSession(
        body[:OWNER_LENGTH], version, goes_on, body[OWNER_LENGTH + 1 : HEAD_LENGTH], body[HEAD_LENGTH:]
    )


def get(session_id: str) -> tuple[CachedSession | None, Source]:
    """Return a session through the cache, and where it came from."""
    entry, source = fills.get(SESSIONS, session_id)
    return parse(entry), source


def _load(connection: Connection, session_ids: Sequence[str]) -> dict[str, Entry]:
    rows = connection.execute(_BY_ID, {"session_ids": session_ids})
    return {row.id: _entry(row) for row in rows}


def _entry(row: Any) -> Entry:
    if row.deleted_at is not None:
        return Entry(row.version, "")
    text, row_length = session_json(row)
    goes_on = GOES_ON if row.status == ACTIVE else HAS_ENDED
    return Entry(row.version, f"{row.user_id}{goes_on}{row_length:0{HEAD_LENGTH - OWNER_LENGTH - 1}}{text}")


SESSIONS = Kind(
    name="session",
    prefix=SESSION_CACHE_PREFIX,
    version=RowVersion(DrivingSession),
    load=_load,
    shape=(SessionDocument, SessionRowDocument, CachedSession),
    ttl_s=lambda: settings().session_cache_ttl,
    is_warmed=True,
    layout=2,
    entry=_entry,
)
