"""Explore a model: visit every state, up to the first stale read, and tell the shortest run to it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.coherence.search import Move, Then, retrace, visit

STALE, BACKWARDS, FORGOTTEN, SAFE = "stale", "backwards", "forgotten", "safe"


class Model(Protocol):
    """What is explored: states to begin with, the moves from each, and what is wrong with one. Among the states that
    differ in nothing that matters, one stands for all.
    """

    def starts(self) -> Iterable[Any]: ...
    def moves(self, world: Any) -> Iterable[Move]: ...
    def canonical(self, world: Any) -> Any: ...
    def wrong(self, world: Any) -> str: ...


@dataclass
class Explored:
    """Every state that was visited, with the one it was reached from, and the first of each kind that is wrong."""

    model: Model
    parents: dict[Any, Any] = field(default_factory=dict)
    wrong: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        return STALE if STALE in self.wrong else SAFE

    def judge(self, world: Any) -> Then:
        """Take note of what is wrong with a state. A stale read ends the visit: nothing is worse."""
        kind = self.model.wrong(world)
        if kind:
            self.wrong.setdefault(kind, world)
        return Then.STOP if kind == STALE else Then.GO_ON

    def steps(self, kind: str) -> list[str]:
        """Return what happens in the shortest run to the first state of one kind. Raises KeyError."""
        return [move.what for move in self._retraced(kind)[1]]

    def story(self, kind: str) -> str:
        """Tell the shortest run to the first state of one kind, a line for each step. Raises KeyError."""
        return "\n".join(self._lines(kind))

    def _lines(self, kind: str) -> Iterator[str]:
        start, moves = self._retraced(kind)
        yield f"{'':3} {'':68}{start}"
        for number, move in enumerate(moves, 1):
            yield f"{number:3} {move.what:68}{move.after}"
        yield f"=> {kind}"

    def _retraced(self, kind: str) -> tuple[Any, list[Move]]:
        return retrace(self.parents, self.wrong[kind], self.model.moves, self.model.canonical)


def explored(model: Model) -> Explored:
    """Visit every state of a model, up to the first stale read."""
    found, canonical = Explored(model), model.canonical
    starts = [canonical(world) for world in model.starts()]
    found.parents = visit(starts, lambda world: [canonical(move.after) for move in model.moves(world)], found.judge)
    return found
