"""The audit of the cache: does what is cached say what the database says?

A row is read before its entry. The version read was committed then, and fenced before that; so an entry that is older
now is a drift, whatever happened meanwhile. An entry of the same version must have the same body, too.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import structlog
from redis import OutOfMemoryError

from webapp.cache import keys, warming
from webapp.cache.driving_sessions import SESSIONS
from webapp.cache.entries import Entry
from webapp.cache.kinds import MISSING
from webapp.cache.redis import get_cache, get_redis
from webapp.database import read_connection

log = structlog.get_logger(__name__)

BATCH = 200


@dataclass
class AuditReport:
    """How many entries were compared, how many said something else than the database, and how many of those were
    healed.
    """

    compared: int = 0
    drifted: int = 0
    healed: int = 0


def audit(sample: int) -> AuditReport:
    """Compare about `sample` cached sessions with the database, and drop those that differ.

    The next audit goes on where this one stopped, so that in the end each one has been compared. Raises RedisError and
    SQLAlchemy's errors.
    """
    get_cache().trust.settle()
    report, seen = AuditReport(), set[str]()
    for cursor, ids in _round_trip():
        fresh = [id for id in ids if id not in seen]
        seen.update(fresh)
        _compare(fresh, report)
        _note_cursor(cursor)
        if report.compared >= sample:
            break
    if report.drifted:
        log.error("cache_drift", compared=report.compared, drifted=report.drifted, healed=report.healed)
    return report


def _round_trip() -> Iterator[tuple[int, list[str]]]:
    """Walk over all cached sessions, from where the last audit stopped, once round. Yields cursors and ids."""
    redis = get_redis()
    cursor = int(redis.get(keys.AUDIT_CURSOR) or 0)
    ends_left = 2 if cursor else 1
    while ends_left:
        cursor, found = redis.scan(cursor, match=f"{keys.SESSION_PREFIX}*", count=BATCH)
        ends_left -= cursor == 0
        yield cursor, [str(key).removeprefix(keys.SESSION_PREFIX) for key in found]


def _note_cursor(cursor: int) -> None:
    try:
        get_redis().set(keys.AUDIT_CURSOR, cursor)
    except OutOfMemoryError:
        log.warning("redis_full", operation="audit")  # The next audit begins where this one did.


def _compare(ids: list[str], report: AuditReport) -> None:
    cache = get_cache()
    with read_connection() as connection:
        rows = SESSIONS.load(connection, ids)
    entries = dict(zip(ids, cache.inspection.read([keys.session(id) for id in ids]), strict=True))
    present = {id: entry for id, entry in entries.items() if entry is not None}
    drifted = {id for id, entry in present.items() if _differs(entry, rows.get(id, MISSING))}
    report.compared += len(present)
    report.drifted += len(drifted)
    if drifted:
        # Absent is always safe, and unlike a fence it also heals an entry whose version is too high.
        report.healed += int(cache.client.unlink(*(keys.session(id) for id in drifted)))
        warming.ask([keys.session(id) for id in drifted])


def _differs(entry: Entry, row: Entry) -> bool:
    return entry.version < row.version or (entry.version == row.version and entry.body != row.body)
