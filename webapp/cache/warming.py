"""What the worker warms: what is due, and what a user who has just logged in will read."""

import time
from collections.abc import Sequence

from webapp.cache import fills, warm_requests
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
    beside: dict[str, None] = {}
    for entry in get_cache().entries.read([kind.key(id) for id in ids]):
        if entry is not None:
            other, others = kind.shown_with(entry)
            beside |= dict.fromkeys(others)
    needed = list(beside)
    return filled + sum(fills.fill_many(other, needed[first : first + BATCH]) for first in range(0, len(needed), BATCH))
