"""Walking over all keys of Redis, a page at a time, for jobs that each go on where their last run stopped."""

import time
from collections.abc import Iterator

import structlog
from redis import OutOfMemoryError

from webapp.cache.redis import get_redis

log = structlog.get_logger(__name__)


def once_round(cursor_key: str, page: int, budget_s: float) -> Iterator[list[str]]:
    """Yield the keys, about `page` at a time, once round from where the last walk of this name stopped.

    Ends after `budget_s` seconds. How far it has come is noted before each page, so that a page over which somebody
    fails is not the end of all later walks. SCAN may tell of a key twice. Raises RedisError.
    """
    redis, deadline = get_redis(), time.monotonic() + budget_s
    cursor = int(redis.get(cursor_key) or 0)
    ends_left = 2 if cursor else 1
    while ends_left and time.monotonic() < deadline:
        cursor, found = redis.scan(cursor, count=page)
        ends_left -= cursor == 0
        try:
            redis.set(cursor_key, cursor)
        except OutOfMemoryError:
            log.warning("redis_full", operation=cursor_key)  # The next walk begins where this one did.
        yield list(map(str, found))
