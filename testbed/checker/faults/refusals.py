"""Ways to have a Redis server refuse writes, while it answers reads as if nothing were wrong."""

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from testbed import troubles
from testbed.checker.servers import Servers
from webapp.cache.trust import BELIEF_S

PROBE_S, LONGEST_S = 0.1, 1.3
"""How often processes look, and longer than they believe, in s."""

FLAPS = (5, 12)

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
    yield partial(troubles.without_replicas, servers.client(servers.primary))


@contextmanager
def as_a_replica(servers: Servers) -> Iterator[Callable[[bool], object]]:
    """READONLY, as a primary that was demoted in favour of nobody, and is promoted again."""
    yield partial(troubles.as_a_replica, servers.client(servers.primary))


@contextmanager
def after_a_failed_save(servers: Servers) -> Iterator[Callable[[bool], object]]:
    """MISCONF, as a server whose disk is full."""
    client = servers.client(servers.primary)
    troubles.let_saves_fail(client, servers.snapshot)
    yield partial(troubles.after_a_failed_save, client)
    client.config_set("save", "")
    servers.snapshot.rmdir()
