"""Visit every state that can be reached, breadth first, and walk the shortest run to one of them once more."""

from collections.abc import Callable, Hashable, Iterable
from enum import Enum
from typing import Any, NamedTuple, Protocol, TypeVar

State = TypeVar("State", bound=Hashable)


class After(Protocol):
    """What every model calls a move: `after` is the state it leads to."""

    @property
    def after(self) -> Any: ...


M = TypeVar("M", bound=After)


class Move(NamedTuple):
    """One atomic step, and the world after it."""

    what: str
    after: Any


class Then(Enum):
    """What to do with a state that was reached: visit what follows, leave that out, or end the whole visit."""

    GO_ON = "go on"
    GO_NO_FURTHER = "go no further"
    STOP = "stop"


def visit(
    starts: Iterable[State], following: Callable[[State], Iterable[State]], judge: Callable[[State], Then]
) -> dict[State, State | None]:
    """Return every state that was reached, in the order of its distance, with the one that it was reached from."""
    queue = list(starts)
    parents: dict[State, State | None] = dict.fromkeys(queue)
    for state in queue:
        for after in following(state):
            known = len(parents)
            parents.setdefault(after, state)
            if len(parents) == known:
                continue
            then = judge(after)
            if then is Then.GO_ON:
                queue.append(after)
            elif then is Then.STOP:
                return parents
    return parents


def retrace(
    parents: dict[State, State | None],
    last: State,
    moves: Callable[[State], Iterable[M]],
    canonical: Callable[[State], State],
) -> tuple[State, list[M]]:
    """Return the initial state of the run that led to `last`, and its moves."""
    path = [last]
    while (parent := parents[path[-1]]) is not None:
        path.append(parent)
    path.reverse()
    walked: list[M] = []
    for expected in path[1:]:
        # `path` holds one state for each set of symmetric ones; the names along the run are found by walking it.
        here = walked[-1].after if walked else path[0]
        walked.append(next(move for move in moves(here) if canonical(move.after) == expected))
    return path[0], walked
