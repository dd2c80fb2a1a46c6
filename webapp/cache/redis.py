"""The Redis pool: how this process reaches Redis, and how long it is willing to wait for it.

redis-py's own defaults are made for programs that can do nothing without Redis: a dead server costs seconds per
command. Here the database always has the answer, so a command waits 100 ms and is repeated once, at once, and only
when the connection turned out to be broken.
"""

import itertools
import threading
import time
from typing import TYPE_CHECKING, Any

import structlog
from flask import Flask, current_app
from redis import BlockingConnectionPool, ConnectionPool, Redis, RedisError
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.retry import Retry

from webapp.cache.entries import Entries
from webapp.cache.trust import Trust

if TYPE_CHECKING:
    from webapp.config import Settings

log = structlog.get_logger(__name__)

COMMAND_TIMEOUT_S = 0.1
"""How long one command or one connection attempt may take, in s."""

POOL_TIMEOUT_S = 0.5
"""How long a command waits for a free connection, in s. A busy pool says nothing about Redis, and must not be
doubted.
"""

MIN_SHARED_CONNECTIONS = 2
NO_TLS_VERIFICATION = {"ssl_cert_reqs": "none"}

BODY_FORMAT = 1
"""Raise it with every change of what is cached of a row: entries of an older release are then absent to the new one."""

EVICTING_POLICIES_START_WITH = ("allkeys", "volatile")


def epoch_of(run_id: str) -> str:
    """Return the stamp of entries written now: the form that this code gives to bodies, and the run of the server."""
    return f"{BODY_FORMAT}.{run_id[:16]}"


class Cache:
    """What one application holds of Redis: the client, the protocol over it, and whether it may be believed."""

    def __init__(self, settings: "Settings") -> None:
        self.epoch, self._epoch_asked = "", -1
        self._epoch_lock = threading.Lock()
        self._greetings = itertools.count()
        # The threads that answer hot reads keep a connection each (see `webapp.edge`); the rest share what is left.
        shared = max(MIN_SHARED_CONNECTIONS, settings.redis_max_connections - settings.web_threads)
        options = self._connection_options(settings)
        self.client: Redis = Redis(
            connection_pool=BlockingConnectionPool.from_url(
                settings.redis_url, max_connections=shared, timeout=POOL_TIMEOUT_S, **options
            )
        )
        self.hot_pool = ConnectionPool.from_url(settings.redis_url, max_connections=settings.web_threads, **options)
        self.entries = Entries(self.client, lambda: self.epoch)
        self.trust = Trust(self.entries, probe_interval_s=settings.cache_probe_interval_ms / 1000)

    def _connection_options(self, settings: "Settings") -> dict[str, Any]:
        tls = {} if settings.redis_tls_verify or not settings.redis_url.startswith("rediss://") else NO_TLS_VERIFICATION
        keepalive = {} if settings.redis_url.startswith("unix://") else {"socket_keepalive": True}
        return {
            "socket_timeout": COMMAND_TIMEOUT_S,
            "socket_connect_timeout": COMMAND_TIMEOUT_S,
            "decode_responses": True,
            "encoding_errors": "replace",  # Bytes under a key that are not ours are no entry, and no error.
            "protocol": 2,
            "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
            "redis_connect_func": self._greet,
            **keepalive,
            **tls,
        }

    def _greet(self, connection: Any) -> None:
        """Set up a new connection, and learn which run of the server it leads to.

        A server that was restarted, or a replica that was promoted, has another run id, and always new connections:
        so the epoch changes before the first answer of the new server is looked at.
        """
        connection.on_connect()
        asked = next(self._greetings)
        connection.send_command("INFO", "server")
        try:
            info = connection.read_response()
        except ResponseError:
            # The account may not call INFO. Restarts from a snapshot are then bounded by the reconciler alone.
            log.warning("redis_run_id_unknown")
            info = ""
        text = info.decode() if isinstance(info, bytes) else str(info)
        run_id = next((line.removeprefix("run_id:") for line in text.splitlines() if line.startswith("run_id:")), "")
        self._enter_epoch(epoch_of(run_id), asked)

    def _enter_epoch(self, epoch: str, asked: int) -> None:
        """Take over an epoch, unless it was asked for before the present one was.

        A thread that has the old server's answer in hand may sleep while the server is restarted and another thread
        greets the new one. Taken over last, the old epoch would make the entries of an old snapshot look good.
        """
        with self._epoch_lock:
            if asked > self._epoch_asked:
                self.epoch, self._epoch_asked = epoch, asked


def init_redis(app: Flask) -> Cache:
    """Make the pool of `app`. Nothing is connected before the first command."""
    cache = Cache(app.config["SETTINGS"])
    app.extensions["cache"] = cache
    return cache


def get_cache() -> Cache:
    """Return the cache of the current application."""
    cache: Cache = current_app.extensions["cache"]
    return cache


def get_redis() -> Redis:
    """Return the client of the current application."""
    return get_cache().client


def close_redis(app: Flask) -> None:
    """Stop watching Redis and close every connection of `app`'s pool."""
    cache: Cache = app.extensions["cache"]
    cache.trust.stop()
    cache.client.connection_pool.disconnect()
    cache.hot_pool.disconnect()


def redis_health_check() -> dict[str, Any]:
    """Measure one PING.

    Returns `{"status": "ok" | "down", "latency_ms": float | None, "warnings": [str]}`. A warning says that the server
    may evict keys by itself; no promise depends on that, but every eviction costs a query.
    """
    client = get_redis()
    started = time.perf_counter()
    try:
        client.ping()
        latency_ms = round((time.perf_counter() - started) * 1000, 3)
        policy = str(client.info("memory").get("maxmemory_policy", ""))
    except RedisError as error:
        log.warning("redis_unreachable", operation="health", error=type(error).__name__)
        return {"status": "down", "latency_ms": None, "warnings": []}
    evicts = policy.startswith(EVICTING_POLICIES_START_WITH)
    return {
        "status": "ok",
        "latency_ms": latency_ms,
        "warnings": [f"maxmemory-policy {policy} evicts"] if evicts else [],
    }
