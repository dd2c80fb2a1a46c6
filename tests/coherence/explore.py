"""Explore every interleaving of a protocol, and tell the shortest run that breaks it.

    python -m tests.coherence.explore --protocol delete_after_commit --losses 0 --crashes 0
"""

import argparse
import sys
from dataclasses import dataclass, field

from tests.coherence.protocol import ABSENT, PROTOCOLS, Key, Protocol
from tests.coherence.world import NAMES, Limits, Move, World, initial_worlds, moves

SWAPPED = {NAMES[2]: NAMES[3], NAMES[3]: NAMES[2]}
STALE, BACKWARDS, LINEARIZABLE = "stale", "backwards", "linearizable"


@dataclass
class Exploration:
    protocol: Protocol
    limits: Limits
    parents: dict[World, World | None] = field(default_factory=dict)
    violations: dict[tuple[str, int, int], World] = field(default_factory=dict)
    transitions: int = 0


def explore(protocol: Protocol, limits: Limits) -> Exploration:
    found = Exploration(protocol, limits)
    queue = [canonical(world) for world in initial_worlds()]
    found.parents = dict.fromkeys(queue)
    for world in queue:
        for move in moves(world, protocol, limits):
            found.transitions += 1
            after = canonical(move.after)
            if after in found.parents:
                continue
            found.parents[after] = world
            kind = violation(after)
            if kind is not None:
                found.violations.setdefault((kind, after.losses, after.crashes), after)
                if kind == STALE:
                    if after.losses == after.crashes == 0:
                        return found
                    continue
            queue.append(after)
    return found


def canonical(world: World) -> World:
    """Return the one world that stands for all that differ from `world` only in the names of writers and readers, and
    let an observer read the key.
    """
    key, returned = world.key, world.returned
    writer, other_writer, reader, other_reader, worker = world.processes
    if other_writer < writer:
        writer, other_writer = other_writer, writer
    if (other_reader, key.holder == NAMES[3]) < (reader, key.holder == NAMES[2]):
        reader, other_reader = other_reader, reader
        key = key._replace(holder=SWAPPED.get(key.holder, key.holder))
    if key.state == "value" and key.version > returned:
        returned = key.version
    processes = (writer, other_writer, reader, other_reader, worker)
    return World(world.row, key, processes, world.acknowledged, returned, world.losses, world.crashes)


def violation(world: World) -> str | None:
    if world.key.state != "value":
        return None
    if world.key.version < world.acknowledged:
        return STALE
    if world.key.version < world.returned:
        return BACKWARDS
    return None

if __name__ == "__main__":
    import time
    for p in PROTOCOLS.values():
        t = time.time()
        e = explore(p, Limits())
        print(p.name, len(e.parents), e.transitions, sorted(e.violations), round(time.time() - t, 1))
