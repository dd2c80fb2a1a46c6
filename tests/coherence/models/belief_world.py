"""What belief and debts are made of: a row, its key, the table of debts, and who reads and changes them.

Time goes by in ticks. `L` ticks are as long as belief lasts, and as long as a writer waits. Every age below is counted
in ticks up to `L`, because nobody asks whether something is older than that.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.coherence.protocol import Key, fence, lease, put
from tests.coherence.search import Move
from tests.coherence.world import Call

L = 2
FILLER, NOBODY_ANY_MORE, LATE = "filler", "nobody any more", "late put"


class Debt(NamedTuple):
    """A row of the table of debts: the floor of the fence that was missed, and which write missed it: 0, or the number
    of the crash after which the client repeated it. No two debts are the same row.
    """

    floor: int
    repeat: int = 0

    def __str__(self) -> str:
        return f"debt({self.floor}{', repeated' if self.repeat else ''})"


NO_DEBT = Debt(0)


class Writer(NamedTuple):
    """A writer's next step, the version that it writes, its own debt, and how long ago that was committed.

    `seen` is a debt of somebody else that its process found in the table `seen_age` ago. `repeat` is the number of the
    crash that the write survived, because the client repeats it.
    """

    step: str
    version: int = 0
    debt: Debt = NO_DEBT
    age: int = 0
    seen: Debt = NO_DEBT
    seen_age: int = 0
    repeat: int = 0


WRITTEN = Writer("done")
COUNTING = {"answer", "commit, and count"}
AT_REST = {"update", "repeat", "done"}


class Process(NamedTuple):
    """A process that serves reads: how long ago the round began that it believes from, how long ago its present round
    began, and the debt that it is settling, fenced already or not. An age of `L` is as good as none.
    """

    belief: int = L
    round: int = L
    debt: Debt = NO_DEBT
    is_fenced: bool = False

    def __str__(self) -> str:
        return "believes" if self.belief < L else "doubts"


class Filler(NamedTuple):
    """A filler's next step, and the version that it has loaded."""

    step: str = "idle"
    version: int = 0


IDLE = Filler()


class Left(NamedTuple):
    """How many keys may still be lost, writers crash, and commands be executed late."""

    losses: int = 0
    crashes: int = 0
    late: int = 0


class World(NamedTuple):
    """A state. `late` holds the commands that nobody waits for any more and that will be executed yet."""

    row: int
    key: Key
    debts: frozenset[Debt]
    acknowledged: int
    writers: tuple[Writer, ...]
    processes: tuple[Process, ...]
    filler: Filler
    late: tuple[Call, ...]
    left: Left
    read: tuple[int, int] = (0, 0)
    """A read that stands still half way: what was acknowledged when it began, and the version that it got."""

    def __str__(self) -> str:
        debts = " ".join(str(debt) for debt in sorted(self.debts)) or "no debts"
        beliefs = ", ".join(str(process) for process in self.processes)
        return f"row {self.row}  {self.key!s:24}  {debts:12}  acknowledged {self.acknowledged}  {beliefs}"


@dataclass(frozen=True)
class Bounds:
    """How much of the world is explored: who takes part, and what may go wrong how often.

    Refusals are not counted: while there are any, each command of anybody may be refused at each time.
    """

    writers: int = 1
    processes: int = 1
    losses: int = 1
    crashes: int = 1
    late: int = 0
    fills: bool = True
    renews: bool = True
    short_cut: bool = True
    refusals: bool = True


def replaced(parts: tuple[Any, ...], at: int, part: Hashable) -> tuple[Any, ...]:
    """Return `parts` with another one at one place."""
    return (*parts[:at], part, *parts[at + 1 :])


def later(world: World, name: str, version: int, token: str = "") -> dict[str, Any]:
    """Return the changes of a command that its sender gives up, and that is executed at any time from now on."""
    late = tuple(sorted((*world.late, Call(name, version, token))))
    return {"late": late, "left": world.left._replace(late=world.left.late - 1)}


def executed(world: World, call: Call) -> Key:
    """Return the key after a late command."""
    if call.name == "fence":
        return fence(world.key, call.version).key
    return lease(world.key, call.token).key if call.name == "lease" else put(world.key, call.version, call.token).key


def by_writer(world: World, at: int, what: str, then: Writer, **changes: Any) -> Move:
    """Make a writer's move."""
    return Move(f"writer {at + 1} {what}", world._replace(writers=replaced(world.writers, at, then), **changes))


def by_process(world: World, at: int, what: str, then: Process, **changes: Any) -> Move:
    """Make a move of a process that believes or not."""
    return Move(f"process {at + 1} {what}", world._replace(processes=replaced(world.processes, at, then), **changes))


def by_filler(world: World, what: str, then: Filler, **changes: Any) -> Move:
    """Make the filler's move."""
    return Move(f"the filler {what}", world._replace(filler=then, **changes))


def holds_the_row(world: World) -> bool:
    """Say whether a writer stands between its UPDATE and its COMMIT."""
    return any(writer.step.startswith("commit") for writer in world.writers)


def is_forgotten(world: World) -> bool:
    """Say whether nothing is under way that would take an old value away."""
    return not world.debts and not world.late and all(writer.step in AT_REST for writer in world.writers)


def ticked(world: World) -> Iterator[World]:
    """Yield the world one tick later, unless nothing in it can tell."""
    writers = tuple([_older(writer) for writer in world.writers])
    processes = tuple([p._replace(belief=min(L, p.belief + 1), round=min(L, p.round + 1)) for p in world.processes])
    if writers != world.writers or processes != world.processes:
        yield world._replace(writers=writers, processes=processes)


def _older(writer: Writer) -> Writer:
    age = min(L, writer.age + 1) if writer.debt != NO_DEBT and writer.step in COUNTING else 0
    seen_age = min(L, writer.seen_age + 1) if writer.seen != NO_DEBT else 0
    return writer if (age, seen_age) == (writer.age, writer.seen_age) else writer._replace(age=age, seen_age=seen_age)


def canonical(world: World) -> World:
    """Return the one world that stands for all that differ in names only, or in what nobody will ever look at."""
    key, filler, late = world.key, world.filler, world.late
    late_lease = Call("lease", 0, FILLER)
    if key.holder == FILLER and filler.step == "idle":
        key = key._replace(holder=NOBODY_ANY_MORE)
    elif key.holder != FILLER and filler.step == "load" and late_lease not in late:
        filler = IDLE  # Its lease is lost. What it loads may only take the place of a value.
    elif key.holder == LATE and not any(call.token == LATE for call in late):
        key = key._replace(holder=NOBODY_ANY_MORE)
    if filler.step == "idle" and late_lease in late:
        late = tuple(sorted(call._replace(token=NOBODY_ANY_MORE) if call == late_lease else call for call in late))
    writers = tuple(sorted([_forgetful(writer, world.debts) for writer in world.writers]))
    processes = world.processes if len(world.processes) == 1 else tuple(sorted(world.processes))
    return World(
        world.row, key, world.debts, world.acknowledged, writers, processes, filler, late, world.left, world.read
    )


def _forgetful(writer: Writer, debts: frozenset[Debt]) -> Writer:
    if writer.step == "done" or (writer.step == "tidy" and writer.debt not in debts):
        return WRITTEN
    if writer.step == "answer" and writer.debt.floor > 0 and (writer.age == L or writer.debt not in debts):
        return Writer("answer", writer.version, writer.debt, L, repeat=writer.repeat)  # One reason is enough.
    if writer.seen.floor > 0 and writer.seen not in debts:
        writer = writer._replace(seen=NO_DEBT, seen_age=0)  # A row that is gone does not come back.
    return writer
