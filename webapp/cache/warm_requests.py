"""Asking the worker to warm what a write has fenced.

Whoever fences a key adds it to the set `warm:due`; one message to the worker stands for all that is due. So a thousand
changes in a second cost a handful of warms, and a thousand rows one SELECT. All of this is a hint: the set, the
marker and the message may be lost, and then a reader or the reconciler fills.
"""

from collections.abc import Iterable

import structlog
from redis import RedisError

from webapp import jobs
from webapp.cache import keys
from webapp.cache.redis import get_cache

log = structlog.get_logger(__name__)

COLLECT_S = 0.2
"""How long changes are collected before the worker warms them, in s."""

SCHEDULED_TTL_MS = 5_000
"""After this time a message that did not come through is sent again, in ms."""

BATCH = 500


def ask(changed: Iterable[str]) -> int:
    """Ask the worker to warm soon what it warms of these keys, and return how many; readers fill the others.

    Never fails: the write has been done and must be acknowledged.
    """
    cache = get_cache()
    due = cache.kinds.warmed(changed)
    if not due:
        return 0
    try:
        pipeline = cache.client.pipeline(transaction=False)
        pipeline.sadd(keys.WARM_DUE, *due)
        pipeline.set(keys.WARM_SCHEDULED, "1", nx=True, px=SCHEDULED_TTL_MS)
        _, is_first = pipeline.execute()
    except RedisError as error:
        log.warning("warm_not_requested", keys=len(due), error=type(error).__name__)
    else:
        if is_first:
            jobs.warm_due(countdown_s=COLLECT_S)
    return len(due)


def ask_for_first_reads(user_id: str) -> None:
    """Ask the worker to warm all that a user who has just logged in will read. Not sent while Redis is out of reach."""
    if get_cache().trust.believes():
        jobs.warm_first_reads(user_id)


def take() -> list[str]:
    """Take up to `BATCH` keys that are due. From here on, a further change asks anew."""
    pipeline = get_cache().client.pipeline(transaction=False)
    pipeline.delete(keys.WARM_SCHEDULED)
    pipeline.spop(keys.WARM_DUE, BATCH)
    due: list[str] = pipeline.execute()[1]
    return due
