"""What the worker warms: what is due, and what a user who has just logged in will read."""

import time
from collections.abc import Sequence

from webapp.cache import fills, warm_requests
from webapp.cache.entries import Entry
from webapp.cache.kinds import Kind
from webapp.cache.redis import get_cache
from webapp.database import read_connection

BATCH = 500
"""How many entries are filled at once."""

BUDGET_S = 10.0
"""How long one run may take, in s. What is left is due again at the next change."""


def warm_due() -> int:
    """Warm what writes have fenced, batch by batch. Returns how many entries were filled."""
    cache = get_cache()
    cache.trust.require()
    deadline = time.monotonic() + BUDGET_S
    filled = 0
    while due := warm_requests.take():
        filled += sum(_warm(kind, ids) for kind, ids in cache.kinds.by_kind(due) if kind.is_warmed)
        if len(due) < warm_requests.BATCH or time.monotonic() > deadline:
            break
    return filled


def warm_first_reads(user_id: str) -> None:
    """Fill what a user who has just logged in will read of each kind."""
    cache = get_cache()
    cache.trust.require()
    for kind in cache.kinds:
        with read_connection() as connection:
            ids = sorted(set(kind.first_reads(connection, user_id)))
        if ids:
            _warm(kind, ids)


def _warm(kind: Kind, ids: Sequence[str]) -> int:
    """Fill what is missing of many ids, and of what they are shown with. Return how many were filled."""
    filled = fills.fill_many(kind, ids)
    if kind.shown_with is None:
        return filled
    shown_with = [kind.shown_with(entry) for entry in _cached(kind, ids) if entry is not None]
    for other in {other.prefix: other for other, _ in shown_with}.values():
        needed = list(dict.fromkeys(id for its_kind, others in shown_with if its_kind is other for id in others))
        for first in range(0, len(needed), BATCH):
            batch = needed[first : first + BATCH]
            # Most of them are there: to look is one command for all, to ask for leases one for each.
            missing = [id for id, entry in zip(batch, _cached(other, batch), strict=True) if entry is None]
            filled += fills.fill_many(other, missing) if missing else 0
    return filled


def _cached(kind: Kind, ids: Sequence[str]) -> list[Entry | None]:
    """Look at many entries, in a way that does not count as reading them."""
    return get_cache().inspection.read([kind.key(id) for id in ids])
