"""Renewing what is read before it expires, so that a hot key does not expire under load.

Redis itself knows what is hot: OBJECT IDLETIME is the time since a key was last read or written. An entry that is idle
for less time than it has existed was read since it was put.
"""

from collections.abc import Iterable

import structlog
from redis import RedisError
from redis.exceptions import ResponseError

from webapp.cache import fills, keys
from webapp.cache.kinds import Kind
from webapp.cache.redis import get_cache, get_redis
from webapp.cache.walk import once_round

log = structlog.get_logger(__name__)

BUDGET_S = 5.0
"""How long one run may take, in s. The next one goes on where it stopped."""

DUE_AT = 0.4
"""An entry is due when less than this share of its TTL is left."""

PAGE = 1000
LOCK_TTL_MS = 30_000
SLACK_S = 2


def refresh_ahead() -> int:
    """Renew what is warmed, was read, and will expire soon. Returns how many; 0 while another run is under way."""
    redis, cache = get_redis(), get_cache()
    cache.trust.require()
    lock = keys.job_lock("refresh_ahead")
    if not redis.set(lock, "1", nx=True, px=LOCK_TTL_MS):
        return 0
    try:
        walk = once_round(keys.REFRESH_AHEAD_CURSOR, PAGE, BUDGET_S)
        found = (each for page in walk for each in cache.kinds.by_kind(page))
        return sum(fills.refresh(kind, _hot(kind, ids)) for kind, ids in found if kind.is_warmed)
    finally:
        redis.delete(lock)


def _hot(kind: Kind, ids: Iterable[str]) -> list[str]:
    """Return those of many ids whose entries will expire soon and were read since they were put."""
    pipeline = get_redis().pipeline(transaction=False)
    for id in ids:
        pipeline.pttl(kind.key(id))
        pipeline.object("IDLETIME", kind.key(id))
    answers = pipeline.execute(raise_on_error=False)
    ttl_s, hot = kind.ttl_s(), []
    for id, left_ms, idle_s in zip(ids, answers[::2], answers[1::2], strict=True):
        if isinstance(left_ms, RedisError) or isinstance(idle_s, RedisError):
            _raise_unless_untold(left_ms, idle_s)
            continue
        age_s = ttl_s - left_ms / 1000
        if 0 < left_ms < ttl_s * 1000 * DUE_AT and idle_s is not None and idle_s < age_s - SLACK_S:
            hot.append(id)
    return hot


def _raise_unless_untold(*answers: object) -> None:
    """Let pass that a server with an LFU policy does not tell idle times: its hot keys are then filled by readers."""
    for answer in answers:
        if isinstance(answer, RedisError) and not isinstance(answer, ResponseError):
            raise answer
