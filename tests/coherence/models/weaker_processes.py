"""What is not enough: rules of belief and debts with one part of the process's that believes put otherwise."""

from collections.abc import Iterator

from tests.coherence.models.belief import Belief
from tests.coherence.models.belief_world import (
    FILLER,
    NO_DEBT,
    Filler,
    L,
    Process,
    World,
    by_filler,
    by_process,
    later,
    ticked,
)
from tests.coherence.protocol import fence, lease
from tests.coherence.search import Move


class BelievesAfterFencing(Belief):
    """A round that found one debt and has fenced and deleted it believes, without a read that finds none."""

    def read_debts(self, world: World, at: int, process: Process) -> Iterator[Move]:
        yield from super().read_debts(world, at, process)
        if len(world.debts) == 1 and process.round < L:
            (debt,) = world.debts
            yield by_process(world, at, f"takes {debt}, the only one", process._replace(debt=debt))

    def settle(self, world: World, at: int, process: Process) -> Iterator[Move]:
        if process.is_fenced and process.round < L:
            what = f"deletes {process.debt} and believes"
            yield by_process(world, at, what, Process(process.round), debts=world.debts - {process.debt})
        yield from super().settle(world, at, process)


class DeletesBeforeFencing(Belief):
    """A debt is deleted, and then fenced."""

    def settle(self, world: World, at: int, process: Process) -> Iterator[Move]:
        debt = process.debt
        if debt in world.debts:
            yield by_process(world, at, f"deletes {debt}", process, debts=world.debts - {debt})
        else:
            key = fence(world.key, debt.floor).key
            yield by_process(world, at, f"fences {debt}", Process(process.belief), key=key)
            yield by_process(world, at, f"cannot fence {debt}", Process(process.belief))


class DeletesUnanswered(Belief):
    """A debt whose fence was not answered is deleted, as if the fence had been accepted."""

    def settle(self, world: World, at: int, process: Process) -> Iterator[Move]:
        yield from super().settle(world, at, process)
        if not process.is_fenced:
            what = f"has no answer to its fence of {process.debt}"
            yield by_process(world, at, what, process._replace(is_fenced=True))


class DeletesByKey(Belief):
    """The debts of the key that was fenced are deleted, not the row that was read."""

    def settle(self, world: World, at: int, process: Process) -> Iterator[Move]:
        if process.is_fenced:
            yield by_process(world, at, "deletes the debts of the key", Process(process.belief), debts=frozenset())
        else:
            yield from super().settle(world, at, process)


class SkipsLocked(Belief):
    """Each process locks the debt that it settles, and the others, who skip locked rows, find no debts."""

    def read_debts(self, world: World, at: int, process: Process) -> Iterator[Move]:
        locked = {other.debt for other in world.processes if other.debt != NO_DEBT}
        yield from super().read_debts(world._replace(debts=world.debts - locked), at, process)

    def round(self, world: World, at: int, process: Process) -> Iterator[Move]:
        for move in super().round(world, at, process):
            keeps_the_table = process.debt == NO_DEBT and move.after.debts != world.debts
            yield move._replace(after=move.after._replace(debts=world.debts)) if keeps_the_table else move


class BelievesFromTheEnd(Belief):
    """Belief is counted from the moment that the read of the debts is answered, not from before it."""

    def read_debts(self, world: World, at: int, process: Process) -> Iterator[Move]:
        for move in super().read_debts(world, at, process):
            if not process.is_fenced:
                yield move
        if not world.debts and process.round == 0:
            yield by_process(world, at, "finds no debts, and goes on", process._replace(is_fenced=True))
        if process.is_fenced:
            yield by_process(world, at, "believes from now on", Process(0))


class ClockStandsStill(Belief):
    """The clock of a process stands still while the process does not run."""

    def clock(self, world: World) -> Iterator[Move]:
        for after in ticked(world):
            yield Move("a tick", after)
            yield Move("a tick, the processes stand still", after._replace(processes=world.processes))


class BelievesOnProbes(Belief):
    """A process that cannot read the debts goes on believing from an accepted probe of Redis."""

    def read_debts(self, world: World, at: int, process: Process) -> Iterator[Move]:
        yield from super().read_debts(world, at, process)
        if process.belief < L and process.round < L:
            what = "cannot read the debts, its probe is accepted"
            yield by_process(world, at, what, Process(process.round))


class RepeatsLease(Belief):
    """The client library repeats a lease, with the same token, and both copies are executed."""

    def ask_for_the_lease(self, world: World) -> Iterator[Move]:
        yield from super().ask_for_the_lease(world)
        granted, key = lease(world.key, FILLER)
        if granted and world.left.late:
            changes = later(world, "lease", 0, FILLER)
            yield by_filler(world, "gets the lease, a copy is under way", Filler("load"), key=key, **changes)


class SlowRead(Belief):
    """The rules as they are kept, and a read that may stand still between its look at belief and its MGET."""

    looks_before = True

    def moves(self, world: World) -> Iterator[Move]:
        yield from super().moves(world)
        promised, version = world.read
        believes = world.processes[0].belief < L
        if not promised and (believes or not self.looks_before):
            yield Move("a read begins", world._replace(read=(world.acknowledged, 0)))
        elif promised and not version and world.key.state == "value":
            got = world.key.version
            yield Move(f"the read gets {got}", world._replace(read=(promised, got)))
        elif version and (believes or self.looks_before):
            yield Move("the read is answered", world._replace(read=(promised, -version)))

    def is_stale(self, world: World) -> bool:
        promised, version = world.read
        return version < 0 and -version < promised


class LooksAfterwards(SlowRead):
    """A read looks at belief only after its MGET."""

    looks_before = False
