"""The reconciler: the database is the outbox.

A writer that could not reach Redis left no fence, and a message to the worker may be lost. So every few seconds, and
at once when a process reaches Redis again, the rows that changed within the life of an entry are compared with what
Redis holds:

* an entry that is behind its row is fenced, and warmed;
* a session that changed a moment ago and is not cached is warmed.

An entry that exists now was put within its TTL; so a row that changed before that cannot be newer than its entry.
"""

from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

import structlog

from webapp.cache import warming
from webapp.cache.driving_sessions import SESSIONS
from webapp.cache.kinds import Kind
from webapp.cache.redis import get_cache
from webapp.cache.session_lists import SESSION_LISTS
from webapp.cache.users import USERS
from webapp.clock import utcnow
from webapp.database import read_connection

log = structlog.get_logger(__name__)

KINDS = (USERS, SESSIONS, SESSION_LISTS)

MARGIN_S = 60
"""Added to the TTL: `updated_at` is the time of the change, by another machine's clock, not that of the commit. In
s.
"""

WARM_WITHIN_S = 30
"""A session that changed within this time and is not cached lost its warm, in s."""

BATCH = 1000


@dataclass
class Report:
    """What one run compared, found behind and fenced, and asked to be warmed."""

    compared: int = 0
    behind: int = 0
    warmed: int = 0


def reconcile() -> Report:
    """Compare the rows that changed lately with Redis, and repair. Raises RedisError and SQLAlchemy's errors."""
    report = Report()
    for kind in KINDS:
        with read_connection() as connection:
            changed = iter(kind.changed_since(connection, utcnow() - timedelta(seconds=kind.ttl_s() + MARGIN_S)))
        while batch := dict(islice(changed, BATCH)):
            _compare(kind, batch, report)
    _warm_what_was_lost(report)
    if report.behind:
        log.warning("reconcile_repaired", compared=report.compared, behind=report.behind)
    return report


def _compare(kind: Kind, versions: dict[str, int], report: Report) -> None:
    cache = get_cache()
    by_key = {kind.key(id): version for id, version in versions.items()}
    held = dict(zip(by_key, cache.entries.held(list(by_key)), strict=True))
    behind = {
        key: by_key[key] for key, found in held.items() if found.state != "absent" and found.version < by_key[key]
    }
    report.compared += len(by_key)
    # A lease in progress is fenced, too, but it is no drift: its holder would have been refused or right.
    report.behind += sum(held[key].state == "value" for key in behind)
    if behind:
        turned = cache.entries.fence(behind)
        _ask([key for key in turned if key.startswith(SESSIONS.key(""))], report)


def _warm_what_was_lost(report: Report) -> None:
    with read_connection() as connection:
        recent = SESSIONS.changed_since(connection, utcnow() - timedelta(seconds=WARM_WITHIN_S))
    keys = [SESSIONS.key(id) for id, _ in recent]
    held = get_cache().entries.held(keys)
    _ask([key for key, found in zip(keys, held, strict=True) if found.state != "value"], report)


def _ask(keys: list[str], report: Report) -> None:
    for start in range(0, len(keys), BATCH):
        warming.ask(keys[start : start + BATCH])
    report.warmed += len(keys)
