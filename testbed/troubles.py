"""What happens to a Redis server, done over a connection of its own: refusals, and failovers there and back."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis
from redis import RedisError
from sqlalchemy.exc import OperationalError

FOLLOW_NOBODY = ("127.0.0.1", "1")
"""A primary that is nowhere: who follows it is a replica, and keeps what it holds."""

UNREACHABLE_REDIS = "redis://127.0.0.1:1/0"

TROUBLE = RedisError("no answer")
UNREADABLE = OperationalError("SELECT", {}, Exception("no answer"))

Held = Mapping[bytes, tuple[int, bytes]]
"""What a server holds: for each key how long it still lives, in ms, and what is in it."""

Refuse = Callable[[redis.Redis, bool], object]
"""Has a server refuse writes, or not; it answers reads as if nothing were wrong."""

MORE_REPLICAS_THAN_THERE_ARE = 10
POLL_S = 0.01


def without_replicas(client: redis.Redis, is_refusing: bool) -> None:
    """Refuse with NOREPLICAS, as a primary does that has lost its replicas."""
    client.config_set("min-replicas-to-write", MORE_REPLICAS_THAN_THERE_ARE if is_refusing else 0)


def without_memory(client: redis.Redis, is_refusing: bool) -> None:
    """Refuse with OOM, as a full server does."""
    client.config_set("maxmemory", "1" if is_refusing else "256mb")


def as_a_replica(client: redis.Redis, is_refusing: bool) -> None:
    """Refuse with READONLY, as a primary that was demoted in favour of nobody, and kept its connections."""
    client.replicaof(*(FOLLOW_NOBODY if is_refusing else ("NO", "ONE")))


def after_a_failed_save(client: redis.Redis, is_refusing: bool) -> None:
    """Refuse with MISCONF, as a server does whose disk is full. Let its saves fail first."""
    client.config_set("stop-writes-on-bgsave-error", "yes" if is_refusing else "no")


def let_saves_fail(client: redis.Redis, snapshot: Path) -> None:
    """Have a server fail to write its snapshot here, and take writes all the same."""
    snapshot.unlink(missing_ok=True)
    snapshot.mkdir()  # A snapshot cannot take its place.
    client.config_set("stop-writes-on-bgsave-error", "no")
    client.config_set("save", "3600 1")
    while client.info("persistence")["rdb_last_bgsave_status"] == "ok":
        with suppress(redis.ResponseError):  # Another one is under way, for a replica.
            client.bgsave()
        time.sleep(POLL_S)


TROUBLES: Mapping[str, Refuse] = {
    "no replicas": without_replicas,
    "no memory": without_memory,
    "a replica": as_a_replica,
}
"""What makes a server refuse writes, and ends that, at once and again and again."""


class Server:
    """The server behind an address."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)

    def begin(self, trouble: str) -> None:
        """Refuse writes."""
        TROUBLES[trouble](self._client, True)

    def be_well(self) -> None:
        """Take writes again."""
        for refuse in TROUBLES.values():
            refuse(self._client, False)

    def held(self) -> Held:
        """Return what it holds, as another server has it that follows this one."""
        found: dict[bytes, tuple[int, bytes]] = {}
        for key in self._client.scan_iter(count=1000):
            dumped: Any = self._client.dump(key)
            if dumped is not None:
                found[key] = max(0, self._client.pttl(key)), dumped
        return found

    def fail_over(self, to: Held) -> None:
        """Let a server take over that holds this. At once, and with all connections closed.

        It has a replication id of its own, as every server has that is promoted; and the same run id, as the one that
        was demoted a moment ago has when it comes back.
        """
        pipeline = self._client.pipeline()
        pipeline.flushall()
        for key, (ttl_ms, dumped) in to.items():
            pipeline.restore(key, ttl_ms, dumped)
        pipeline.replicaof(*FOLLOW_NOBODY)
        pipeline.replicaof("NO", "ONE")
        pipeline.client_kill_filter(_type="normal")
        pipeline.execute()

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
