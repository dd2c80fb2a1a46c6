"""Reading through the cache, and filling it: one way for every kind, for readers and for the worker alike."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog
from redis import OutOfMemoryError, RedisError
from sqlalchemy.exc import SQLAlchemyError

from webapp.cache import warm_requests
from webapp.cache.entries import Entry, new_lease_token
from webapp.cache.kinds import MISSING, MISSING_TTL_S, Kind
from webapp.cache.redis import get_cache
from webapp.database import read_connection, timeline_of

log = structlog.get_logger(__name__)

POLL_INTERVAL_S = 0.01
POLLS = 10
"""How often a reader looks again while somebody else fills or writes: 100 ms in all. The last time it takes the right
to fill over from a writer, which may have died; while another reader holds it, it reads the database by itself.
"""


class Source(StrEnum):
    """Where an answer came from."""

    HIT = "hit"
    MISS = "miss"
    BYPASS = "bypass"

    def joined(self, other: "Source") -> "Source":
        """Say where something came from that is made of two."""
        return max(self, other, key=list(Source).index)


def prefetch(cache_keys: Sequence[str]) -> list[str | None] | None:
    """Fetch many keys raw in one round trip; None when Redis is out of reach or not to be believed."""
    cache = get_cache()
    if not cache.trust.believes():
        return None
    try:
        raw: list[str | None] = cache.client.mget(cache_keys)  # type: ignore[assignment]
    except RedisError as error:
        cache.trust.doubt(error, operation="read")
        return None
    return raw


@dataclass(frozen=True, slots=True)
class Prefetched:
    """What Redis held under the key of one thing just now: None if Redis is out of reach or not to be believed."""

    kind: Kind
    id: str
    found: Sequence[str | None] | None

    def get(self) -> tuple[Entry, Source]:
        """Return the entry and where it came from. A row that does not exist is `MISSING`."""
        if self.found is None:
            return load(self.kind, self.id), Source.BYPASS
        entry = get_cache().entries.parse(self.found[0])
        return (entry, Source.HIT) if entry is not None else fill(self.kind, self.id)


def get(kind: Kind, id: str) -> tuple[Entry, Source]:
    """Return the entry of one id and where it came from. A row that does not exist is `MISSING`."""
    return Prefetched(kind, id, prefetch([kind.key(id)])).get()


def get_many(kind: Kind, ids: Sequence[str]) -> tuple[list[Entry], Source]:
    """Return the entries of many ids, in their order, and where they came from: the least of all sources.

    One round trip, and for those that are missing two more and one SELECT. Nobody waits for who fills one already.
    """
    found = prefetch([kind.key(id) for id in ids]) if ids else []
    if found is None:
        loaded = _load_many(kind, ids)
        return [loaded[id] for id in ids], Source.BYPASS
    parse = get_cache().entries.parse
    entries = {id: entry for id, raw in zip(ids, found, strict=True) if (entry := parse(raw)) is not None}
    missing = [id for id in ids if id not in entries]
    source = Source.HIT
    if missing:
        filled, source = _fill_missing(kind, missing)
        entries.update(filled)
    return [entries[id] for id in ids], source


def _fill_missing(kind: Kind, ids: Sequence[str]) -> tuple[dict[str, Entry], Source]:
    cache, token = get_cache(), new_lease_token()
    timeline = cache.stamp.timeline
    try:
        leased = _lease(kind, ids, token, timeline)
        return _load_and_put(kind, ids, leased, token, timeline)[0], Source.MISS
    except OutOfMemoryError:
        log.warning("redis_full", kind=kind.name)
        return _load_many(kind, ids), Source.MISS
    except RedisError as error:
        cache.trust.doubt(error, operation="fill")
        return _load_many(kind, ids), Source.BYPASS


def _load_many(kind: Kind, ids: Sequence[str]) -> dict[str, Entry]:
    with read_connection() as connection:
        loaded = kind.load(connection, ids)
    return {id: loaded.get(id, MISSING) for id in ids}


def load(kind: Kind, id: str) -> Entry:
    """Read one entry from the database."""
    return _load_many(kind, [id])[id]


def load_under(kind: Kind, ids: Sequence[str], timeline: str) -> tuple[dict[str, Entry], bool]:
    """Read entries from the database, and say whether it still has the timeline under which they were leased.

    If not, a failover came in between, and these rows may have numbers that other rows had before: do not put them.
    """
    with read_connection() as connection:
        found = kind.load(connection, ids)
        is_the_same = timeline_of(connection) == timeline
    return {id: found.get(id, MISSING) for id in ids}, is_the_same


def fill(kind: Kind, id: str) -> tuple[Entry, Source]:
    """Answer a miss: load and put under a lease, or wait a moment for who holds the lease, or just load."""
    cache = get_cache()
    key, timeline = kind.key(id), cache.stamp.timeline
    try:
        for polls_left in reversed(range(POLLS)):
            token = new_lease_token()
            if cache.entries.lease([key], token, timeline, from_writers=not polls_left)[0]:
                return _load_and_put(kind, [id], [id], token, timeline)[0][id], Source.MISS
            time.sleep(POLL_INTERVAL_S)
            found = cache.entries.read([key])[0]
            if found is not None:
                return found, Source.MISS
    except OutOfMemoryError:
        # A full Redis takes no new entry, but it still takes fences: what it holds is as good as ever.
        log.warning("redis_full", kind=kind.name)
        return load(kind, id), Source.MISS
    except RedisError as error:
        cache.trust.doubt(error, operation="fill")
        return load(kind, id), Source.BYPASS
    return load(kind, id), Source.MISS


def fill_if_possible(kind: Kind, id: str) -> bool:
    """Fill one entry unless somebody has, and say whether it was done. An outage is no error: readers will fill."""
    cache = get_cache()
    if not cache.trust.believes():
        return False
    try:
        return fill_many(kind, [id]) == 1
    except OutOfMemoryError:
        log.warning("redis_full", kind=kind.name)
    except RedisError as error:
        cache.trust.doubt(error, operation="fill")
    except SQLAlchemyError as error:
        log.warning("not_cached", kind=kind.name, error=type(error).__name__)
    return False


def _lease(kind: Kind, ids: Sequence[str], token: str, timeline: str) -> list[str]:
    """Return those of many ids that may be filled with this token."""
    leases = get_cache().entries.lease(map(kind.key, ids), token, timeline)
    return [id for id, granted in zip(ids, leases, strict=True) if granted]


def _load_and_put(
    kind: Kind, ids: Sequence[str], leased: Sequence[str], token: str, timeline: str
) -> tuple[dict[str, Entry], int]:
    """Load many ids, and put those that were leased. Return all, and how many were taken."""
    try:
        entries, is_the_same_database = load_under(kind, ids, timeline)
    except SQLAlchemyError:
        get_cache().entries.give_back(map(kind.key, leased), token, timeline)
        raise
    if not is_the_same_database:
        get_cache().entries.give_back(map(kind.key, leased), token, timeline)
        return entries, 0
    return entries, put(kind, {id: entries[id] for id in leased}, token, timeline)


def put(kind: Kind, entries: dict[str, Entry], token: str, timeline: str) -> int:
    """Store what was loaded under the lease `token` (or, with "", in place of older values). Return how many were
    taken.

    A row that changed while it was loaded is refused. The change that caused it met our lease and left the warming to
    us, so we ask for it.
    """
    store = get_cache().entries.put
    existing = {kind.key(id): entry for id, entry in entries.items() if entry.body}
    missing = {kind.key(id): entry for id, entry in entries.items() if not entry.body}
    taken = store(existing, kind.ttl_s(), token, timeline) + store(missing, MISSING_TTL_S, token, timeline)
    refused = [key for key, was_taken in zip([*existing, *missing], taken, strict=True) if not was_taken]
    if refused and token:
        warm_requests.ask(refused)
    return sum(taken)


def fill_many(kind: Kind, ids: Sequence[str]) -> int:
    """Fill those of many ids that nobody has filled: one SELECT and two round trips. Return how many were filled.

    Raises RedisError and SQLAlchemy's errors: the caller is a task, and says what became of it.
    """
    cache, token = get_cache(), new_lease_token()
    timeline = cache.stamp.timeline
    leased = _lease(kind, ids, token, timeline)
    return _load_and_put(kind, leased, leased, token, timeline)[1] if leased else 0


def refresh(kind: Kind, ids: Sequence[str]) -> int:
    """Load many ids and put them in place of their values, for a whole TTL. Return how many were renewed."""
    if not ids:
        return 0
    timeline = get_cache().stamp.timeline
    entries, is_the_same_database = load_under(kind, ids, timeline)
    return put(kind, entries, "", timeline) if is_the_same_database else 0
