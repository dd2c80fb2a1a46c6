"""The Redis pool: how this process reaches Redis, and how long it is willing to wait for it.

redis-py's own defaults are made for programs that can do nothing without Redis: a dead server costs seconds per
command. Here the database always has the answer, so a command waits 100 ms, and the client repeats none by itself: a
lease that is asked for twice with one token, the first time in vain and late, could let an old row in.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from flask import Flask, current_app
from redis import ReadOnlyError, Redis, RedisError
from redis.asyncio import ConnectionPool as LoopConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry as LoopRetry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from redis.retry import Retry
from sqlalchemy import Engine

from webapp.cache.debts import Debts, StandingAside
from webapp.cache.entries import Entries
from webapp.cache.kinds import Kind, Kinds
from webapp.cache.pools import SharedConnections
from webapp.cache.shared_mget import SharedMget
from webapp.cache.stamp import Stamp, is_replica, server_of
from webapp.cache.trust import Trust
from webapp.config import Settings, settings
from webapp.database import db, watch_engine
from webapp.threads import threads_of

log = structlog.get_logger(__name__)

COMMAND_TIMEOUT_S = 0.1
"""How long one command or one connection attempt may take, in s."""

POOL_TIMEOUT_S = 0.5
"""How long a command waits for a free connection, in s. A busy pool says nothing about Redis: no doubt follows."""

MIN_SHARED_CONNECTIONS = 2
LOOP_CONNECTIONS = INSPECTING_CONNECTIONS = 1
NO_TLS_VERIFICATION = {"ssl_cert_reqs": "none"}
INFO_SECTIONS = ("server", "replication")

EVICTING_POLICIES_START_WITH = ("allkeys", "volatile")


class Cache:
    """What one application holds of Redis: its kinds, clients, the protocol, and whether it may be believed.

    `engine` is the application's database, and `watch_engine` a way of its own to it, for looking at the debts alone.
    `inspection` is for whoever looks at many entries without reading them: what it looks at does not count as used.
    """

    def __init__(self, settings: Settings, watch_engine: Engine, engine: Engine, standing_aside: StandingAside) -> None:
        self.kinds, self.stamp = Kinds(), Stamp()
        # The event loop and who inspects have a connection each; threads share what is left.
        left = settings.redis_max_connections - LOOP_CONNECTIONS - INSPECTING_CONNECTIONS
        self._url = settings.redis_url
        self._options = {"stamp": self.stamp, **_connection_options(settings)}
        self.client = self._client(max(MIN_SHARED_CONNECTIONS, left), self._greet)
        self._inspecting = self._client(INSPECTING_CONNECTIONS, self._greet_untouching)
        self.entries = Entries(self.client, self.stamp)
        self.inspection = Entries(self._inspecting, self.stamp)
        self.debts = Debts(watch_engine, engine, self.entries, self.stamp, standing_aside)
        interval_s = settings.cache_probe_interval_ms / 1000
        self.trust = Trust(interval_s, probe=self.probe, leave=self.stamp.leave, debts=self.debts)
        self.shared = SharedMget(self._loop_connection(), self.stamp, self.trust, COMMAND_TIMEOUT_S)

    def register(self, kind: Kind) -> None:
        """Keep a kind of cached things true and warm from now on. Raises ValueError if its keys are another kind's."""
        self.kinds.register(kind)
        self.stamp.take_over_form(self.kinds.form())

    def _client(self, connections: int, greet: Callable[[Any], None]) -> Redis:
        pool = SharedConnections.from_url(
            self._url,
            max_connections=connections,
            timeout=POOL_TIMEOUT_S,
            redis_connect_func=greet,
            **self._options,
        )
        return Redis(connection_pool=pool)

    def probe(self, key: str, beat: int) -> None:
        """Make sure that Redis takes fences, by one on a key of this process's own, and learn which server it is.

        A fence, because a read-only server still answers PING. Raises RedisError, also when the server follows another
        one: a primary that was demoted keeps its connections.
        """
        asked = self.stamp.question()
        try:
            info: Mapping[str, Any] = self.client.info(*INFO_SECTIONS)
        except ResponseError as error:
            log.debug("redis_run_id_unknown", error=str(error))  # Each new connection warns of it.
        else:
            self._heed(info, asked)
        self.entries.fence({key: beat})

    def _greet(self, connection: Any) -> None:
        """Set up a new connection, and learn which server it leads to.

        A server that was restarted or promoted has new connections, or at least one; so the stamp changes before the
        first answer of the new server is looked at.
        """
        connection.on_connect()
        asked = self.stamp.question()
        connection.send_command("INFO", *INFO_SECTIONS)
        try:
            text = str(connection.read_response())
        except ResponseError as error:
            text = _unknown(error)
        connection.generation = self._heed(_info(text), asked)

    async def _greet_in_loop(self, connection: Any) -> None:
        """Do the same for a connection of an event loop."""
        await connection.on_connect()
        asked = self.stamp.question()
        await connection.send_command("INFO", *INFO_SECTIONS)
        try:
            text = str(await connection.read_response())
        except ResponseError as error:
            text = _unknown(error)
        connection.generation = self._heed(_info(text), asked)

    def _greet_untouching(self, connection: Any) -> None:
        """Set up a connection whose reads leave the time of the last use of a key as it is."""
        self._greet(connection)
        connection.send_command("CLIENT", "NO-TOUCH", "ON")
        try:
            connection.read_response()
        except ResponseError as error:  # Redis before 7.2: what is inspected counts as used, and is renewed.
            log.info("redis_no_touch_unknown", error=str(error))

    def _heed(self, info: Mapping[str, Any], asked: int) -> int:
        if is_replica(info):
            self.stamp.leave()
            raise ReadOnlyError("this server is a replica")
        return self.stamp.take_over_server(server_of(info), asked)

    def _loop_connection(self) -> AbstractConnection:
        """Make a connection for an event loop, which sees to the time limits of its commands by itself."""
        options = {**self._options, "socket_timeout": None, "redis_connect_func": self._greet_in_loop}
        options["retry"] = LoopRetry(NoBackoff(), 0)
        del options["stamp"]
        connection: Any = LoopConnectionPool.from_url(self._url, **options).make_connection()  # type: ignore[no-untyped-call]
        if self._url.startswith("rediss://"):
            connection.ssl_context.get()  # It reads certificates from the disk: now, and not in the loop.
        return connection  # type: ignore[no-any-return]

    def close(self) -> None:
        """Stop watching Redis and close every connection."""
        self.trust.stop()
        for pool in (self.client.connection_pool, self._inspecting.connection_pool):
            pool.disconnect()
        self.debts.close()


def _info(text: str) -> dict[str, str]:
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def _unknown(error: ResponseError) -> str:
    # The account may not call INFO. A restart from a snapshot is then bounded by the reconciler alone.
    log.warning("redis_run_id_unknown", error=str(error))
    return ""


def _connection_options(settings: Settings) -> dict[str, Any]:
    tls = {} if settings.redis_tls_verify or not settings.redis_url.startswith("rediss://") else NO_TLS_VERIFICATION
    keepalive = {} if settings.redis_url.startswith("unix://") else {"socket_keepalive": True}
    return {
        "socket_timeout": COMMAND_TIMEOUT_S,
        "socket_connect_timeout": COMMAND_TIMEOUT_S,
        "decode_responses": True,
        "encoding_errors": "replace",  # Bytes under a key that are not ours are no entry, and no error.
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        **keepalive,
        **tls,
    }


def init_redis(app: Flask) -> Cache:
    """Make the pool of `app`, whose database and threads are ready. Nothing is connected before the first command.

    The room's `init_app`, under the name that the mission gives it, as `close_redis` and `redis_health_check`.
    """
    given = settings(app)
    with app.app_context():
        cache = Cache(given, watch_engine(given), db.engine, threads_of(app).standing_aside)
    app.extensions["cache"] = cache
    return cache


def get_cache() -> Cache:
    """Return the cache of the current application."""
    return cache_of(current_app)


def cache_of(app: Flask) -> Cache:
    """Return the cache of an application."""
    cache: Cache = app.extensions["cache"]
    return cache


def get_redis() -> Redis:
    """Return the client of the current application."""
    return get_cache().client


def close_redis(app: Flask) -> None:
    """Stop watching, and close every connection of `app` to Redis."""
    cache_of(app).close()


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
