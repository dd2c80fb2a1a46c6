"""Ways to have a Redis server refuse writes, while it answers reads as if nothing were wrong."""

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import redis

from bench.coherence.faults.base import wait
from bench.coherence.servers import FOLLOW_NOBODY, Servers
from webapp.cache.trust import BELIEF_S

PROBE_S, LONGEST_S = 0.1, 1.3
"""How often processes look, and longer than they believe, in s."""

FLAPS = (5, 12)
MORE_THAN_THERE_ARE = 10
POLL_S = 0.01

Refusal = Callable[[Servers], AbstractContextManager[Callable[[bool], object]]]
"""Lends what has the primary refuse, or not; after that it does not."""


def some_times_s(chance: random.Random) -> list[float]:
    """Choose for how long writes are refused: too short to be noticed, or longer than anybody believes, or again and
    again.
    """
    return chance.choice(
        (
            [chance.uniform(0, PROBE_S)],
            [chance.uniform(PROBE_S, BELIEF_S)],
            [chance.uniform(BELIEF_S, LONGEST_S)],
            [chance.uniform(0, PROBE_S / 2) for _ in range(chance.randint(*FLAPS))],
        )
    )


@contextmanager
def without_replicas(servers: Servers) -> Iterator[Callable[[bool], object]]:
    """NOREPLICAS, as a primary that has lost its replicas."""
    client = servers.client(servers.primary)
    yield lambda is_refusing: client.config_set("min-replicas-to-write", MORE_THAN_THERE_ARE if is_refusing else 0)


@contextmanager
def as_a_replica(servers: Servers) -> Iterator[Callable[[bool], object]]:
    """READONLY, as a primary that was demoted in favour of nobody, and is promoted again."""
    client = servers.client(servers.primary)
    yield lambda is_refusing: client.replicaof(*(FOLLOW_NOBODY if is_refusing else ("NO", "ONE")))


@contextmanager
def after_a_failed_save(servers: Servers) -> Iterator[Callable[[bool], object]]:
    """MISCONF, as a server whose disk is full."""
    client = servers.client(servers.primary)
    servers.snapshot.unlink(missing_ok=True)
    servers.snapshot.mkdir()  # A snapshot cannot take its place.
    client.config_set("stop-writes-on-bgsave-error", "no")
    client.config_set("save", "3600 1")
    _fail_to_save(client)
    yield lambda is_refusing: client.config_set("stop-writes-on-bgsave-error", "yes" if is_refusing else "no")
    client.config_set("save", "")
    servers.snapshot.rmdir()


def _fail_to_save(client: redis.Redis) -> None:
    while client.info("persistence")["rdb_last_bgsave_status"] == "ok":
        with suppress(redis.ResponseError):  # Another one is under way, for the replica.
            client.bgsave()
        wait(POLL_S)
