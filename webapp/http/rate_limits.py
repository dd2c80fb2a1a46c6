"""Rate limits: counted in Redis for all processes together, and per process while Redis is away.

The counting is the `limits` library's. What is limited, and by what, is said where it is used.
"""

import functools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog
from flask import Flask, current_app
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter
from redis import OutOfMemoryError, RedisError

from webapp.cache import coherence, keys
from webapp.cache.entries import Call
from webapp.cache.redis import Cache, cache_of
from webapp.config import Settings, settings
from webapp.database import db
from webapp.http.errors import Problem

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")


class TooManyRequests(Problem):
    """The caller has used up what a limit allows."""

    status, code = 429, "rate_limited"


@dataclass(frozen=True, slots=True)
class Limit:
    """So many per time: `name` says of what, `rate` how many, as "120/minute"."""

    name: str
    rate: Callable[[], str]

    @property
    def item(self) -> RateLimitItem:
        """Return the limit in the library's form."""
        return _parsed(self.rate())


_parsed = functools.cache(parse)  # The rates are a handful of settings, and each use would parse its own again.


class Allowance:
    """What an account has left of a limit, as it was fetched together with what the guard decides from.

    So neither to ask nor to count costs a round trip of its own. `found` is the counter; None if Redis is away.
    """

    def __init__(self, limits: "RateLimits", limit: Limit, of: str, found: Sequence[str | None] | None) -> None:
        self._limits, self._limit, self._of, self._found = limits, limit, of, found

    def require(self, amount: int) -> None:
        """Raise 429 unless `amount` is left."""
        if self._found is None:
            self._limits.require(self._limit, self._of, amount=amount)
        else:
            self._limits.require_of(int(self._found[0] or 0), self._limit, self._of, amount=amount)

    def note(self, amount: int) -> None:
        """Count `amount` once the present transaction is committed, whatever the limit says."""
        call = self._limits.call(self._limit, self._of, amount=amount)
        if call is not None:
            later = partial(self._limits.note, self._limit, self._of, amount=amount)
            coherence.call_along(db.session(), call, later)


class RateLimits:
    """The counters of one application."""

    def __init__(self, settings: Settings, cache: Cache) -> None:
        self._enabled = settings.ratelimit_enabled
        self._cache = cache
        self._storage = RedisStorage(
            settings.redis_url, connection_pool=cache.client.connection_pool, key_prefix=keys.RATE_LIMIT_PREFIX
        )
        self._shared = FixedWindowRateLimiter(self._storage)
        self._script = self._storage.SCRIPT_INCR_EXPIRE.decode()
        self._own = FixedWindowRateLimiter(MemoryStorage())

    def count(self, limit: Limit, *of: str) -> None:
        """Count one more, and raise 429 with the time to wait if that is one too many."""
        if self._enabled and not self._hit(limit, of):
            raise self._refusal(limit, of)

    def note(self, limit: Limit, *of: str, amount: int = 1) -> None:
        """Count one more, or `amount`, whatever the limit says."""
        if self._enabled:
            self._hit(limit, of, amount)

    def require(self, limit: Limit, *of: str, amount: int = 1) -> None:
        """Raise 429 unless `amount` is left of the limit; count nothing."""
        if self._enabled and not self._has_left(limit, of, amount):
            raise self._refusal(limit, of)

    def allowance(self, limit: Limit, of: str, found: Sequence[str | None] | None) -> Allowance:
        """Return what is left of a limit, given what was fetched of its counter."""
        return Allowance(self, limit, of, found)

    def key(self, limit: Limit, *of: str) -> str:
        """Return the key of the counter that all processes share."""
        return self._storage.prefixed_key(limit.item.key_for(limit.name, *of))

    def require_of(self, counted: int, limit: Limit, *of: str, amount: int) -> None:
        """Raise 429 unless `amount` is left of the limit, given its counter."""
        if self._enabled and counted + amount > limit.item.amount:
            raise self._refusal(limit, of)

    def call(self, limit: Limit, *of: str, amount: int) -> Call | None:
        """Return the call of a script that counts, None if nothing is counted."""
        if not self._enabled:
            return None
        return self._script, self.key(limit, *of), (limit.item.get_expiry(), amount)

    def is_used_up(self, limit: Limit, *of: str) -> bool:
        """Say whether nothing is left of the limit."""
        return self._enabled and not self._has_left(limit, of, 1)

    def _hit(self, limit: Limit, of: tuple[str, ...], amount: int = 1) -> bool:
        return self._asked(limit, lambda counters: counters.hit(limit.item, limit.name, *of, cost=amount))

    def _has_left(self, limit: Limit, of: tuple[str, ...], amount: int) -> bool:
        return self._asked(limit, lambda counters: counters.test(limit.item, limit.name, *of, cost=amount))

    def _window(self, limit: Limit, of: tuple[str, ...]) -> tuple[float, int]:
        reset_at, left = self._asked(limit, lambda counters: counters.get_window_stats(limit.item, limit.name, *of))
        return reset_at, left

    def _asked(self, limit: Limit, ask: Callable[[FixedWindowRateLimiter], Answer]) -> Answer:
        """Ask the counters of all processes, or, while Redis is away, our own."""
        if self._cache.trust.believes():
            try:
                return ask(self._shared)
            except OutOfMemoryError:
                log.warning("redis_full", limit=limit.name)
            except RedisError as error:
                self._cache.trust.doubt(error, operation="rate_limit")
        return ask(self._own)

    def _refusal(self, limit: Limit, of: tuple[str, ...]) -> TooManyRequests:
        """Make the answer, with the fields of the IETF draft "RateLimit header fields for HTTP"."""
        reset_at, left = self._window(limit, of)
        wait_s = max(1, math.ceil(reset_at - time.time()))
        return TooManyRequests(
            "Too many requests. Wait, and try again.",
            headers={
                "Retry-After": str(wait_s),
                "RateLimit-Policy": f'"{limit.name}";q={limit.item.amount};w={limit.item.get_expiry()}',
                "RateLimit": f'"{limit.name}";r={left};t={wait_s}',
            },
        )


def init_app(app: Flask) -> None:
    """Give `app` its counters."""
    app.extensions["rate_limits"] = RateLimits(settings(app), cache_of(app))


def rate_limits() -> RateLimits:
    """Return the counters of the current application."""
    counters: RateLimits = current_app.extensions["rate_limits"]
    return counters
