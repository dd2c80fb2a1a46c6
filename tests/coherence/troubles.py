"""What happens to a Redis server, done over a connection of its own: refusals, and failovers there and back."""

from collections.abc import Mapping
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

TROUBLES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "no replicas": (("CONFIG", "SET", "min-replicas-to-write", "1"), ("CONFIG", "SET", "min-replicas-to-write", "0")),
    "no memory": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "256mb")),
    "a replica": (("REPLICAOF", *FOLLOW_NOBODY), ("REPLICAOF", "NO", "ONE")),
}
"""What makes a server refuse writes, and what ends that: reads are answered all the while."""


class Server:
    """The server behind an address."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)

    def begin(self, trouble: str) -> None:
        """Refuse writes."""
        self._client.execute_command(*TROUBLES[trouble][0])

    def be_well(self) -> None:
        """Take writes again."""
        for _, end in TROUBLES.values():
            self._client.execute_command(*end)

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
        pipeline.execute_command("CLIENT", "KILL", "TYPE", "normal")
        pipeline.execute()

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
