"""Visit every state of a protocol, and tell the shortest run that breaks it.

    python -m tests.coherence.explore --protocol delete_after_commit --losses 0 --crashes 0

`world` says which processes there are, and their steps. Besides them, an observer reads the key in every state that is
reached. A read that loads from the database after it began cannot be old, and a read that hits is as old as the key; so
it suffices to hold every value that the key ever has against what was promised up to that moment:

* **stale**: a read that begins now returns less than what was acknowledged;
* **backwards**: it returns less than what somebody has read before.

A run with neither is linearizable: the row lock orders the writes, reads never go back behind a write that was
acknowledged or behind each other, and none returns what was not committed.

States that differ only in the names of the readers, or of the writers, are one. The visit is breadth first, so a trace
is a shortest one. With two losses and a crash, ours has 165,350 states.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.coherence.protocol import PROTOCOLS, Protocol
from tests.coherence.search import Then, retrace, visit
from tests.coherence.states import NAMES, Limits, Move, World
from tests.coherence.world import initial_worlds, moves

STALE, BACKWARDS, LINEARIZABLE = "stale", "backwards", "linearizable"

UNANSWERED = ("lose", "delete", "fence", "fence_alone")
"""Of these operations nobody asks what they found."""

WRITER_1, WRITER_2, READER_1, READER_2, _ = NAMES
OTHER_READER = {READER_1: READER_2, READER_2: READER_1}
OTHER_WRITER = {WRITER_1: WRITER_2, WRITER_2: WRITER_1}


@dataclass
class Exploration:
    """Every state that was visited with the one it was reached from, and the first violation of each kind, found under
    its kind and the losses and crashes that it took.
    """

    protocol: Protocol
    limits: Limits
    parents: dict[World, World | None] = field(default_factory=dict)
    violations: dict[tuple[str, int, int], World] = field(default_factory=dict)

    def verdict(self, losses: int, crashes: int) -> str:
        """Say the worst that happens with at most so many losses and crashes."""
        kinds = {kind for kind, lost, died in self.violations if lost <= losses and died <= crashes}
        return STALE if STALE in kinds else BACKWARDS if BACKWARDS in kinds else LINEARIZABLE

    def counter_example(self, kind: str, losses: int, crashes: int) -> World:
        """Return the first state where `kind` happens with at most so many losses and crashes. Raises StopIteration."""
        return next(
            world
            for (found, lost, died), world in self.violations.items()
            if found == kind and lost <= losses and died <= crashes
        )

    def judge(self, world: World) -> Then:
        """Take note of what is wrong with `world`. A stale read that took no loss and no crash ends the visit: nothing
        is worse.
        """
        kind = violation(world)
        if kind is None:
            return Then.GO_ON
        self.violations.setdefault((kind, world.losses, world.crashes), world)
        if kind != STALE:
            return Then.GO_ON
        return Then.STOP if world.losses == world.crashes == 0 else Then.GO_NO_FURTHER

    def trace(self, world: World) -> tuple[World, list[Move]]:
        """Return the initial state of the run that led to `world`, and its steps."""
        return retrace(self.parents, world, self._moves, canonical)

    def visit(self) -> None:
        """Visit every state."""
        starts = [canonical(world) for world in initial_worlds()]
        self.parents = visit(starts, lambda world: [canonical(move.after) for move in self._moves(world)], self.judge)

    def _moves(self, world: World) -> Iterator[Move]:
        return moves(world, self.protocol, self.limits)


def explore(protocol: Protocol, limits: Limits) -> Exploration:
    """Visit every state of one protocol."""
    found = Exploration(protocol, limits)
    found.visit()
    return found


def canonical(world: World) -> World:
    """Let the observer read the key, and return the one world that stands for all that differ only in names."""
    key, returned, late = world.key, world.returned, world.late
    writer, other_writer, reader, other_reader, worker = world.processes
    others = (OTHER_WRITER.get(key.holder, key.holder), late._replace(token=OTHER_WRITER[late.token]) if late else None)
    if (other_writer, others[0], others[1] or ()) < (writer, key.holder, late or ()):
        writer, other_writer = other_writer, writer
        key, late = key._replace(holder=others[0]), others[1]
    if (other_reader, key.holder == READER_2) < (reader, key.holder == READER_1):
        reader, other_reader = other_reader, reader
        key = key._replace(holder=OTHER_READER.get(key.holder, key.holder))
    if key.state == "value" and key.version > returned:
        returned = key.version
    processes = (writer, other_writer, reader, other_reader, worker)
    return world._replace(key=key, processes=processes, returned=returned, late=late)


def violation(world: World) -> str | None:
    """Say what is wrong with a read that begins now and hits."""
    if world.key.state != "value" or world.key.version >= max(world.acknowledged, world.returned):
        return None
    return STALE if world.key.version < world.acknowledged else BACKWARDS


def story(found: Exploration, world: World) -> str:
    """Tell the run that led to `world`, one line for each step."""
    return "\n".join(_lines(found, world))


def _lines(found: Exploration, world: World) -> Iterator[str]:
    start, steps = found.trace(world)
    yield f"{found.protocol.name}: {world.losses} losses, {world.crashes} crashes"
    yield f"{'':34}{'':10}row {start.row}  key {start.key}"
    for number, move in enumerate(steps, 1):
        answer = _answer(move) if move.call is not None and move.call.name not in UNANSWERED else ""
        yield f"{number:3} {move.who + ' ' + move.what:40}{answer:10}row {move.after.row}  key {move.after.key}"
    kind = violation(world)
    if kind == STALE:
        yield f"=> stale: a read that begins now returns {world.key}, and version {world.acknowledged} was acknowledged"
    elif kind == BACKWARDS:
        yield f"=> backwards: a read that begins now returns {world.key}, and version {world.returned} was read before"


def _answer(move: Move) -> str:
    assert move.call is not None
    if move.call.name == "read":
        return "hit" if move.granted else "miss"
    return "granted" if move.granted else "refused"


def main(arguments: list[str] | None = None) -> int:
    """Explore one protocol; exit with 1 if a read can be stale."""
    parser = argparse.ArgumentParser(prog="python -m tests.coherence.explore", description=__doc__.splitlines()[0])
    parser.add_argument("--protocol", choices=PROTOCOLS, default=list(PROTOCOLS)[-1])
    parser.add_argument("--losses", type=int, default=2, help="how often the key may be lost (default 2)")
    parser.add_argument("--crashes", type=int, default=1, help="how many processes may die (default 1)")
    options = parser.parse_args(arguments)
    found = explore(PROTOCOLS[options.protocol], Limits(options.losses, options.crashes))
    verdict = found.verdict(options.losses, options.crashes)
    print(f"{options.protocol}: {verdict}; {len(found.parents):,} states visited")
    if verdict != LINEARIZABLE:
        print(story(found, found.counter_example(verdict, options.losses, options.crashes)))
    return int(verdict == STALE)


if __name__ == "__main__":
    sys.exit(main())
