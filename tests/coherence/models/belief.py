"""The protocol while Redis refuses: belief comes from an empty table of debts. Every step that anybody may take next.

* A *writer*: UPDATE, which locks the row, and fence → COMMIT, with a debt in the same transaction if the fence was
  missed → fence → acknowledge. If that one is missed it commits a debt, unless it has one, and acknowledges when a
  retry is accepted (and deletes its debt), when its debt is gone, when L has passed since the COMMIT of its debt, or by
  the *short cut*: a debt of another write that its process found L or more ago is still there.
* A *process*: it begins a round → reads the debts → none: it believes, from the beginning of the round, for L.
  Otherwise it takes one, fences it, deletes it if the fence was accepted, and begins anew.
* A *filler*: lease → load → put. What it loads may also take the place of a value, without a lease.
* Each *command* may be accepted, refused, or executed late, when nobody waits for it any more: a fence before that is
  refused stands for one that was not sent, too. A key may be lost. A writer may crash, and its client repeats.
* The *clock* goes on at any moment, so whoever takes no step meanwhile is frozen, for as long as it likes.

An observer reads in every state, in each process that believes: a look at belief and a read of the key, at once. What
is acknowledged is acknowledged as early as it may be. What is not enough is in `weaker_*`.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import product

from tests.coherence import protocol
from tests.coherence.models.belief_world import (
    FILLER,
    IDLE,
    LATE,
    NO_DEBT,
    NOBODY_ANY_MORE,
    WRITTEN,
    Bounds,
    Debt,
    Filler,
    L,
    Left,
    Process,
    World,
    Writer,
    by_filler,
    by_process,
    by_writer,
    canonical,
    executed,
    holds_the_row,
    is_forgotten,
    later,
    ticked,
)
from tests.coherence.models.exploring import BACKWARDS, FORGOTTEN, STALE
from tests.coherence.protocol import ABSENT, fence, lease, put
from tests.coherence.search import Move

WriterStep = Callable[[World, int, Writer], Iterator[Move]]


class Belief:
    """The rules as they are kept."""

    further_steps: Mapping[str, str] = {}
    """The steps of a writer that these rules add, and the names of the methods that take them."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        steps = {step: step for step in ("update", "commit", "answer", "tidy", "repeat")} | dict(self.further_steps)
        self.steps: dict[str, WriterStep] = {step: getattr(self, name) for step, name in steps.items()}

    def starts(self) -> Iterator[World]:
        """Yield the states that a run begins in: the row at version 1, cached or not, each process believing or not."""
        bounds = self.bounds
        left = Left(bounds.losses, bounds.crashes, bounds.late)
        writers, filler = (Writer("update"),) * bounds.writers, IDLE if bounds.fills else Filler("away")
        for key, ages in product((ABSENT, protocol.value(1)), product((0, L), repeat=bounds.processes)):
            processes = tuple(sorted(Process(age) for age in ages))
            yield World(1, key, frozenset(), 1, writers, processes, filler, (), left)

    def moves(self, world: World) -> Iterator[Move]:
        """Yield every step that may come next."""
        yield from self.clock(world)
        yield from self.redis(world)
        for at, writer in enumerate(world.writers):
            if writer.step != "done":
                yield from self.steps[writer.step](world, at, writer)
                yield from self.looks(world, at, writer)
        for at, process in enumerate(world.processes):
            yield from self.round(world, at, process)
        if world.filler.step != "away":
            yield from self.fill(world)

    def canonical(self, world: World) -> World:
        return canonical(world)

    def wrong(self, world: World) -> str:
        """Say what is wrong with a read that begins now, or nothing.

        Stale: it is answered with less than was acknowledged. Backwards: with the row as it was before a COMMIT, which
        others read as it is now. Forgotten: so, and nothing is under way that would take the old value away.
        """
        if self.is_stale(world):
            return STALE
        if world.key.state != "value" or world.key.version >= world.row or not believes(world):
            return ""
        return FORGOTTEN if is_forgotten(world) else BACKWARDS

    def is_stale(self, world: World) -> bool:
        key = world.key
        return key.state == "value" and key.version < world.acknowledged and believes(world)

    def clock(self, world: World) -> Iterator[Move]:
        for after in ticked(world):
            yield Move("a tick", after)

    def redis(self, world: World) -> Iterator[Move]:
        """The key is lost, or a command is executed late."""
        if world.left.losses and world.key != ABSENT:
            left = world.left._replace(losses=world.left.losses - 1)
            yield Move("the key is lost", world._replace(key=ABSENT, left=left))
        for at, call in enumerate(world.late):
            late = world.late[:at] + world.late[at + 1 :]
            after = world._replace(key=executed(world, call), late=late)
            yield Move(f"late: {call.name}({call.version}{call.token and ', ' + call.token})", after)

    # The writer.

    def update(self, world: World, at: int, writer: Writer) -> Iterator[Move]:
        if world.row > self.bounds.writers or holds_the_row(world):
            return
        version = world.row + 1
        then, what = writer._replace(step="commit", version=version), f"updates the row to version {version}"
        yield by_writer(world, at, f"{what} and fences", then, key=fence(world.key, version).key)
        yield from self.missed(world, at, what, then._replace(debt=self.debt_before_commit(version)), version)

    def debt_before_commit(self, version: int) -> Debt:
        return Debt(version)

    def missed(self, world: World, at: int, what: str, then: Writer, floor: int) -> Iterator[Move]:
        """A writer's fence is refused, or given up and executed late."""
        if self.bounds.refusals:
            yield by_writer(world, at, f"{what}, fence refused", then)
        if world.left.late:
            yield by_writer(world, at, f"{what}, fence given up", then, **later(world, "fence", floor))

    def commit(self, world: World, at: int, writer: Writer) -> Iterator[Move]:
        debts = world.debts if writer.debt == NO_DEBT else world.debts | {writer.debt}
        what = "commits" if debts is world.debts else f"commits with {writer.debt}"
        yield by_writer(world, at, what, writer._replace(step="answer"), row=writer.version, debts=debts)
        yield by_writer(world, at, "rolls back", WRITTEN)

    def answer(self, world: World, at: int, writer: Writer) -> Iterator[Move]:
        """After the COMMIT."""
        version = writer.version
        acknowledged = max(world.acknowledged, version)
        fenced, tidy = fence(world.key, version).key, Writer("tidy", debt=writer.debt)
        yield by_writer(world, at, "fences and acknowledges", tidy, key=fenced, acknowledged=acknowledged)
        if world.left.late:
            yield by_writer(world, at, "fences and gives up", writer, **later(world, "fence", version))
        if self.bounds.refusals or writer.debt != NO_DEBT:
            yield from self.without_a_fence(world, at, writer)
        if world.left.crashes:
            left = world.left._replace(crashes=world.left.crashes - 1)
            again = Writer("repeat", repeat=self.bounds.crashes - left.crashes)
            yield by_writer(world, at, "crashes", again, left=left)

    def without_a_fence(self, world: World, at: int, writer: Writer) -> Iterator[Move]:
        """Its fence after the COMMIT was missed."""
        reason = self.reason_to_acknowledge(world, writer)
        if reason:
            acknowledged = max(world.acknowledged, writer.version)
            yield by_writer(world, at, f"acknowledges: {reason}", WRITTEN, acknowledged=acknowledged)
        if writer.debt == NO_DEBT:
            debt = Debt(writer.version, writer.repeat)
            what = f"is refused its fence, commits {debt}"
            yield by_writer(world, at, what, writer._replace(debt=debt, age=0), debts=world.debts | {debt})

    def reason_to_acknowledge(self, world: World, writer: Writer) -> str:
        """Say why a writer whose fences were missed may acknowledge, or nothing."""
        if writer.debt == NO_DEBT:
            return ""
        if writer.debt not in world.debts:
            return "its debt is gone"
        if writer.age >= L:
            return "it has waited"
        return self.short_cut(world, writer)

    def short_cut(self, world: World, writer: Writer) -> str:
        return f"{writer.seen} is still there" if writer.seen in world.debts and writer.seen_age >= L else ""

    def tidy(self, world: World, at: int, writer: Writer) -> Iterator[Move]:
        yield by_writer(world, at, "deletes its debt", WRITTEN, debts=world.debts - {writer.debt})

    def repeat(self, world: World, at: int, writer: Writer) -> Iterator[Move]:
        if not holds_the_row(world):
            then = writer._replace(step="answer", version=world.row)
            yield by_writer(world, at, f"repeats its write, finds version {world.row} unchanged", then)

    def looks(self, world: World, at: int, writer: Writer) -> Iterator[Move]:
        """A writer's process finds the debt of another write."""
        if self.bounds.short_cut and writer.seen == NO_DEBT and writer.step != "tidy":
            for debt in sorted(world.debts - {writer.debt}):
                yield by_writer(world, at, f"sees {debt}", writer._replace(seen=debt))

    # The process that believes.

    def round(self, world: World, at: int, process: Process) -> Iterator[Move]:
        if process.debt != NO_DEBT:
            yield from self.settle(world, at, process)
            return
        if process.round:
            yield by_process(world, at, "begins a round", process._replace(round=0))
        yield from self.read_debts(world, at, process)

    def read_debts(self, world: World, at: int, process: Process) -> Iterator[Move]:
        if not world.debts and process.round < L:
            yield by_process(world, at, "finds no debts", Process(process.round))
        for debt in sorted(world.debts):
            yield by_process(world, at, f"takes {debt}", Process(process.belief, debt=debt))

    def settle(self, world: World, at: int, process: Process) -> Iterator[Move]:
        debt, floor, free = process.debt, process.debt.floor, Process(process.belief)
        if process.is_fenced:
            yield by_process(world, at, f"deletes {debt}", free, debts=world.debts - {debt})
        else:
            fenced = process._replace(is_fenced=True)
            yield by_process(world, at, f"fences {debt}", fenced, key=fence(world.key, floor).key)
            if world.left.late:
                yield by_process(world, at, f"gives up its fence of {debt}", free, **later(world, "fence", floor))
        yield by_process(world, at, f"leaves {debt}", free)

    # The filler.

    def fill(self, world: World) -> Iterator[Move]:
        version = world.filler.version
        if world.filler.step == "put":
            yield by_filler(world, f"puts {version}", IDLE, key=put(world.key, version, FILLER).key)
            if world.left.late:
                key = world.key._replace(holder=LATE) if world.key.holder == FILLER else world.key
                yield by_filler(world, "gives up its put", IDLE, key=key, **later(world, "put", version, LATE))
            return
        if world.filler.step == "load" or self.bounds.renews:
            yield by_filler(world, f"loads {world.row}", Filler("put", world.row))
        if world.filler.step == "idle":
            yield from self.ask_for_the_lease(world)

    def ask_for_the_lease(self, world: World) -> Iterator[Move]:
        granted, key = lease(world.key, FILLER)
        if granted:
            yield by_filler(world, "gets the lease", Filler("load"), key=key)
        if world.left.late:
            yield by_filler(world, "gives up its lease", IDLE, **later(world, "lease", 0, NOBODY_ANY_MORE))


def believes(world: World) -> bool:
    return any(process.belief < L for process in world.processes)
