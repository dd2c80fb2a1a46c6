"""Explore belief and debts, and tell the shortest run that breaks a rule."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.coherence.models.belief import Belief
from tests.coherence.models.belief_world import World, canonical
from tests.coherence.search import Then, retrace, visit

STALE, BACKWARDS, FORGOTTEN, SAFE = "stale", "backwards", "forgotten", "safe"
AT_REST = {"update", "repeat", "done"}


@dataclass
class Explored:
    """Every state that was visited, with the one it was reached from, and the first of each kind that is wrong:

    * **stale**: a read that begins now in a process that believes returns less than was acknowledged. Ends the visit.
    * **backwards**: such a read returns the row as it was before a COMMIT, while others read it as it is.
    * **forgotten**: an old value in a process that believes, no writer is at work, and no debt tells of it.
    """

    protocol: Belief
    parents: dict[World, World | None] = field(default_factory=dict)
    wrong: dict[str, World] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        return STALE if STALE in self.wrong else SAFE

    def judge(self, world: World) -> Then:
        if self.protocol.is_stale(world):
            self.wrong[STALE] = world
            return Then.STOP
        if world.key.state == "value" and world.key.version < world.row:
            self.wrong.setdefault(BACKWARDS, world)
            if is_forgotten(world):
                self.wrong.setdefault(FORGOTTEN, world)
        return Then.GO_ON

    def steps(self, kind: str) -> list[str]:
        """Return the shortest run to the first state of one kind, a line for each step. Raises KeyError."""
        return list(_lines(self, self.wrong[kind]))

    def story(self, kind: str) -> str:
        """Tell the shortest run to the first state of one kind."""
        return "\n".join(self.steps(kind))


def explored(protocol: Belief) -> Explored:
    """Visit every state, up to the first stale read."""
    found = Explored(protocol)
    starts = [canonical(world) for world in protocol.starts()]
    found.parents = visit(
        starts, lambda world: [canonical(move.after) for move in protocol.moves(world)], found.judge
    )
    return found


def is_forgotten(world: World) -> bool:
    """Say whether nothing is under way that would take the old value away."""
    return not world.debts and not world.late and all(writer.step in AT_REST for writer in world.writers)


def _lines(found: Explored, world: World) -> Iterator[str]:
    start, moves = retrace(found.parents, world, found.protocol.moves, canonical)
    yield f"{0:3} {'':52}{start}"
    for number, move in enumerate(moves, 1):
        yield f"{number:3} {move.what:52}{move.after}"
