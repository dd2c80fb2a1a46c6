"""Drift: does what is cached say what the database says? A sample is compared, and what differs is healed.

A row is read before its entry. The version read was committed then, and fenced before that; so an entry that is older
now is a drift, whatever happened meanwhile. An entry of the same version must have the same body, too, if its kind is
exact.
"""

from dataclasses import dataclass

import structlog

from webapp.cache import keys, warm_requests
from webapp.cache.entries import Entry
from webapp.cache.kinds import MISSING, Kind
from webapp.cache.redis import get_cache
from webapp.cache.walk import once_round
from webapp.database import read_connection

log = structlog.get_logger(__name__)

BATCH = 200

BUDGET_S = 5.0
"""How long one run may take, in s. The next one goes on where it stopped."""


@dataclass
class DriftReport:
    """How many entries were compared, how many said something else than the database, and how many were healed."""

    compared: int = 0
    drifted: int = 0
    healed: int = 0


def measure(sample: int, budget_s: float = BUDGET_S) -> DriftReport:
    """Compare about `sample` entries with the database, and drop those that differ.

    The next run goes on where this one stopped, so that in the end each one has been compared. Raises RedisError and
    SQLAlchemy's errors.
    """
    cache = get_cache()
    cache.trust.settle()
    report, seen = DriftReport(), set[str]()
    for found in once_round(keys.DRIFT_CURSOR, BATCH, budget_s):
        fresh = [key for key in found if key not in seen]
        seen.update(fresh)
        for kind, ids in cache.kinds.by_kind(fresh):
            _compare(kind, ids, report)
        if report.compared >= sample:
            break
    if report.drifted:
        log.error("cache_drift", compared=report.compared, drifted=report.drifted, healed=report.healed)
    return report


def _compare(kind: Kind, ids: list[str], report: DriftReport) -> None:
    cache = get_cache()
    with read_connection() as connection:
        rows = kind.load(connection, ids)
    entries = dict(zip(ids, cache.inspection.read([kind.key(id) for id in ids]), strict=True))
    present = {id: entry for id, entry in entries.items() if entry is not None}
    drifted = [kind.key(id) for id, entry in present.items() if _differs(kind, entry, rows.get(id, MISSING))]
    report.compared += len(present)
    report.drifted += len(drifted)
    if drifted:
        # Absent is always safe, and unlike a fence it also heals an entry whose version is too high.
        report.healed += int(cache.client.unlink(*drifted))
        warm_requests.ask(drifted)


def _differs(kind: Kind, entry: Entry, row: Entry) -> bool:
    if entry.version != row.version:
        return entry.version < row.version
    return kind.is_exact and entry.body != row.body
