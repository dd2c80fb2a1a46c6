"""The reconciler: the database is the outbox.

A writer may die between its COMMIT and the fence after it, when the fence before it has been lost: nobody owes
anything then, and nobody knows. And a message to the worker may be lost. So every few seconds the worker compares the
rows that changed since its last comparison with what Redis holds:

* an entry that is behind its row is fenced, and warmed;
* what the worker warms, changed a moment ago and is not cached, is warmed.

The first comparison, and one after a flush, looks at all rows that changed within the life of an entry: an entry that
exists now was put within its TTL, so a row that changed before that cannot be newer.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

import structlog
from redis import OutOfMemoryError

from webapp.cache import keys, warm_requests
from webapp.cache.kinds import Kind
from webapp.cache.redis import get_cache
from webapp.clock import utcnow
from webapp.database import read_connection

log = structlog.get_logger(__name__)

MARGIN_S = 60
"""How long before it is seen a change may be dated, in s: `updated_at` is the time of the change, by another machine's
clock, and not that of the commit.
"""

WARM_WITHIN_S = 30
"""What changed within this time and is not cached lost its warm, in s."""

BATCH = 1000

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass
class Report:
    """What one run compared, found behind and fenced, and asked to be warmed."""

    compared: int = 0
    behind: int = 0
    warmed: int = 0


def reconcile() -> Report:
    """Compare the rows that changed lately with Redis, and repair. Raises RedisError and SQLAlchemy's errors."""
    get_cache().trust.settle()
    report, began, stamp = Report(), utcnow(), get_cache().stamp.text
    last = _last_comparison(stamp)
    for kind in get_cache().kinds:
        since = max(began - timedelta(seconds=kind.ttl_s()), last) - timedelta(seconds=MARGIN_S)
        with read_connection() as connection:
            changed = iter(kind.version.changed_since(connection, since))
        while batch := dict(islice(changed, BATCH)):
            _compare(kind, batch, report)
    _note_comparison(stamp, began)
    _warm_what_was_lost(report)
    if report.behind:
        log.warning("reconcile_repaired", compared=report.compared, behind=report.behind)
    return report


def _last_comparison(stamp: str) -> datetime:
    """Return when the last comparison began with what the server and the database of this stamp hold."""
    compared, _, began = str(get_cache().client.get(keys.LAST_COMPARISON) or "").partition(" ")
    return datetime.fromisoformat(began) if compared == stamp else _NEVER


def _note_comparison(stamp: str, began: datetime) -> None:
    try:
        get_cache().client.set(keys.LAST_COMPARISON, f"{stamp} {began.isoformat()}")
    except OutOfMemoryError:
        log.warning("redis_full", operation="reconcile")  # The next comparison looks at more than it need.


def _compare(kind: Kind, versions: dict[str, int], report: Report) -> None:
    cache = get_cache()
    by_key = {kind.key(id): version for id, version in versions.items()}
    held = dict(zip(by_key, cache.inspection.held(list(by_key)), strict=True))
    behind = {
        key: by_key[key] for key, found in held.items() if found.state != "absent" and found.version < by_key[key]
    }
    report.compared += len(by_key)
    # A lease in progress is fenced, too, but it is no drift: its holder would have been refused or right.
    report.behind += sum(held[key].state == "value" for key in behind)
    if behind:
        report.warmed += warm_requests.ask(cache.entries.fence(behind))


def _warm_what_was_lost(report: Report) -> None:
    cache, since = get_cache(), utcnow() - timedelta(seconds=WARM_WITHIN_S)
    with read_connection() as connection:
        recent = [
            kind.key(id)
            for kind in cache.kinds
            if kind.is_warmed
            for id, _ in kind.version.changed_since(connection, since)
        ]
    for start in range(0, len(recent), BATCH):
        batch = recent[start : start + BATCH]
        held = cache.inspection.held(batch)
        report.warmed += warm_requests.ask(
            key for key, found in zip(batch, held, strict=True) if found.state != "value"
        )
