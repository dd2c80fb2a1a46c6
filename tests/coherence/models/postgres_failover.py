"""A PostgreSQL failover that loses commits: what an entry's stamp must name of the database, and who reads it when.

The standby that is promoted lacks the last commits. Writes go on from there, on a new timeline, and give the numbers of
the lost versions to other rows. So an entry carries the timeline, and a key with another one counts as absent.

Belief is kept in outline: the process believes from a read that found no debts, and knows the timeline of that read. A
writer whose fence was refused has waited when the process does not believe any more from before its debt was committed.
"""

from collections.abc import Iterator
from typing import Any

from tests.coherence.models.exploring import STALE
from tests.coherence.models.postgres_world import (
    DONE,
    NO_DEBT,
    Bounds,
    Debt,
    Filler,
    Process,
    Rules,
    World,
    Writer,
)
from tests.coherence.protocol import ABSENT, Key, fence, lease, put, value
from tests.coherence.search import Move

FIRST = "1 of timeline 0"


class PostgresFailover:
    """The protocol under some rules for the timeline."""

    def __init__(self, rules: Rules, bounds: Bounds) -> None:
        self.rules, self.bounds = rules, bounds

    def starts(self) -> Iterator[World]:
        writers, losses, rows = (Writer(),) * self.bounds.writers, self.bounds.losses, (FIRST,)
        for key, row in ((ABSENT, ""), (value(1), FIRST)):
            yield World(rows, 0, 1, 0, key, row, 0, frozenset(), writers, Process(believes=True), Filler(), losses)

    def moves(self, world: World) -> Iterator[Move]:
        yield from self._failovers(world)
        if world.losses and world.key != ABSENT:
            yield Move("the key is lost", world._replace(key=ABSENT, row="", stamp=0, losses=world.losses - 1))
        for at, writer in enumerate(world.writers):
            if writer.step == "update":
                yield from self._update(world, at, writer)
            elif writer.step == "commit":
                yield from self._commit(world, at, writer)
            elif writer.step == "answer":
                yield from self._answer(world, at, writer)
        yield from self._round(world)
        yield from self._fill(world)

    def wrong(self, world: World) -> str:
        return STALE if self._is_stale(world) else ""

    def _is_stale(self, world: World) -> bool:
        """Say whether the process is answered with something else than the promised row, or a later one. Until a write
        on the new timeline is acknowledged, a row that was lost is later than all that is promised.
        """
        process, version = world.process, world.key.version
        if world.key.state != "value" or not process.believes or world.stamp != self._named(process.timeline):
            return False
        if self.bounds.old_primary_answers and process.timeline != world.timeline:
            return False  # What it reads from the old primary itself is as old.
        if world.promised > world.kept > 0:
            return version < world.promised or world.rows[version - 1 : version] != (world.row,)
        return version < world.promised

    def canonical(self, world: World) -> World:
        """Return the one world that stands for all that differ in names only, or in what nobody will ever look at."""
        process, filler = world.process, world.filler
        if not process.believes and self.rules.debts_with_timeline and process.timeline != world.timeline:
            process = process._replace(timeline=world.timeline)
        if process.is_fenced and process.fences_with:
            process = process._replace(fences_with=0)
        if filler.step == "load" and self._key(world, filler.timeline).holder != "filler":
            filler = Filler()  # Its lease is lost.
        writers = tuple(sorted([_indifferent(writer) for writer in world.writers]))
        if (writers, process, filler) == (world.writers, world.process, world.filler):
            return world
        return world._replace(writers=writers, process=process, filler=filler)

    def _failovers(self, world: World) -> Iterator[Move]:
        for lost in range(len(world.rows)) if not world.timeline else ():
            kept = len(world.rows) - lost
            debts = frozenset(debt for debt in world.debts if debt.floor <= kept)
            for left in dict.fromkeys((debts, frozenset(debt for debt in debts if not debt.is_alone))):
                what = f"FAILOVER loses {lost} rows and {len(world.debts - left)} debts"
                yield Move(what, self._promoted(world, kept, left))

    def _promoted(self, world: World, kept: int, debts: frozenset[Debt]) -> World:
        return world._replace(
            rows=world.rows[:kept],
            old_rows=world.rows if self.bounds.old_primary_answers else (),
            timeline=1,
            kept=kept,
            promised=min(world.promised, kept),
            debts=debts,
            # Whoever was in a transaction has lost the connection, and with it the transaction.
            writers=tuple(DONE if writer.step == "commit" else writer for writer in world.writers),
        )

    def _update(self, world: World, at: int, writer: Writer) -> Iterator[Move]:
        if len(world.rows) > self.bounds.writers or any(other.step == "commit" for other in world.writers):
            return
        version = len(world.rows) + 1
        what = f"updates the row to version {version}"
        known = {0, world.timeline} if self.rules.stamp == "process" else {world.timeline}
        for timeline in sorted(known):
            then = Writer("commit", version, timeline)
            yield _by_writer(self._fenced(world, version, timeline), at, f"{what}, fences on timeline {timeline}", then)
            if self.bounds.refusals:
                debt = self._debt(_row(version, world.timeline), version, is_alone=False)
                yield _by_writer(world, at, f"{what}, fence refused", then._replace(debt=debt))

    def _commit(self, world: World, at: int, writer: Writer) -> Iterator[Move]:
        row = _row(writer.version, world.timeline)
        then, rows = writer._replace(step="answer", row=row), (*world.rows, row)
        if writer.debt == NO_DEBT:
            yield _by_writer(world, at, "commits", then, rows=rows)
        else:
            then = then._replace(owed_on=world.timeline, waits=world.process.believes)
            yield _by_writer(
                world, at, f"commits with {writer.debt}", then, rows=rows, debts=world.debts | {writer.debt}
            )

    def _answer(self, world: World, at: int, writer: Writer) -> Iterator[Move]:
        is_kept = world.rows[writer.version - 1 : writer.version] == (writer.row,)
        promised = max(world.promised, writer.version) if is_kept else world.promised
        fenced = self._fenced(world, writer.version, writer.timeline)
        yield _by_writer(fenced, at, "fences and acknowledges", DONE, promised=promised)
        if writer.debt == NO_DEBT and self.bounds.refusals:
            debt = self._debt(writer.row, writer.version, is_alone=True)
            then = writer._replace(debt=debt, owed_on=world.timeline, waits=world.process.believes)
            yield _by_writer(world, at, f"is refused its fence, commits {debt}", then, debts=world.debts | {debt})
        elif writer.debt != NO_DEBT:
            reason = self._reason_to_acknowledge(world, writer)
            if reason:
                yield _by_writer(world, at, f"acknowledges: {reason}", DONE, promised=promised)

    def _reason_to_acknowledge(self, world: World, writer: Writer) -> str:
        is_gone = writer.debt.name not in {debt.name for debt in world.debts}
        if is_gone and (writer.owed_on == world.timeline or not self.rules.gone_compares):
            return "its debt is gone"
        return "" if writer.waits else "it has waited"

    def _debt(self, row: str, version: int, *, is_alone: bool) -> Debt:
        return Debt(str(version) if self.rules.debts_are_numbered else row, version, is_alone)

    def _round(self, world: World) -> Iterator[Move]:
        process = world.process
        if process.believes:
            yield Move("the process believes no longer", _without_waiting(world, process._replace(believes=False)))
        if process.debt != NO_DEBT:
            yield from self._settle(world, process, process.debt)
        elif not world.debts:
            after = _without_waiting(world, Process(True, world.timeline))
            yield Move(f"the process finds no debts on timeline {world.timeline}", after)
        for debt in sorted(world.debts) if process.debt == NO_DEBT else ():
            timeline = world.timeline if self.rules.debts_with_timeline else process.timeline
            after = world._replace(process=process._replace(debt=debt, fences_with=timeline))
            yield Move(f"the process takes {debt}", after)

    def _settle(self, world: World, process: Process, debt: Debt) -> Iterator[Move]:
        free = process._replace(debt=NO_DEBT, fences_with=0, is_fenced=False)
        if process.is_fenced:
            debts = frozenset(other for other in world.debts if other.name != debt.name)
            yield Move(f"the process deletes {debt}", world._replace(process=free, debts=debts))
        else:
            fenced = self._fenced(world, debt.floor, process.fences_with)
            what = f"the process fences {debt} on timeline {process.fences_with}"
            yield Move(what, fenced._replace(process=process._replace(is_fenced=True)))
        yield Move(f"the process leaves {debt}", world._replace(process=free))

    def _fill(self, world: World) -> Iterator[Move]:
        step, timeline, version, row = world.filler
        if step == "lease":
            for known in sorted({0, world.timeline}):
                granted, key = lease(self._key(world, known), "filler")
                if granted:
                    after = self._stored(world, key, known)._replace(filler=Filler("load", known))
                    yield Move(f"the filler gets the lease on timeline {known}", after)
        elif step == "load":
            yield self._load(world, world.timeline, world.rows)
            if world.old_rows:
                yield self._load(world, 0, world.old_rows)
        else:
            granted, key = put(self._key(world, timeline), version, "filler")
            after = self._stored(world, key, timeline, row) if granted else world
            yield Move(f"the filler puts {row}", after._replace(filler=Filler()))

    def _load(self, world: World, timeline: int, rows: tuple[str, ...]) -> Move:
        filler = Filler("put", world.filler.timeline, len(rows), rows[-1])
        if self.rules.fill_compares and timeline != world.filler.timeline:
            filler = Filler()
        what = "gives up" if filler == Filler() else f"loads {rows[-1]}"
        return Move(f"the filler {what}, from a server on timeline {timeline}", world._replace(filler=filler))

    def _named(self, timeline: int) -> int:
        return 0 if self.rules.stamp == "none" else timeline

    def _key(self, world: World, timeline: int) -> Key:
        return world.key if world.stamp == self._named(timeline) else ABSENT

    def _stored(self, world: World, key: Key, timeline: int, row: str = "") -> World:
        return world._replace(key=key, stamp=self._named(timeline), row=row)

    def _fenced(self, world: World, floor: int, timeline: int) -> World:
        key = self._key(world, timeline)
        after = fence(key, floor).key
        return world if after == key else self._stored(world, after, timeline)


def _row(version: int, timeline: int) -> str:
    """Name a row: no two have the same version and the same timeline."""
    return f"{version} of timeline {timeline}"


def _indifferent(writer: Writer) -> Writer:
    """Forget when the debt was committed of a writer that has waited."""
    return writer._replace(owed_on=0) if writer.owed_on and not writer.waits else writer


def _by_writer(world: World, at: int, what: str, then: Writer, **changes: Any) -> Move:
    writers = (*world.writers[:at], then, *world.writers[at + 1 :])
    return Move(f"writer {at + 1} {what}", world._replace(writers=writers, **changes))


def _without_waiting(world: World, process: Process) -> World:
    """Return the world in which the process believes from now on, or not: no writer waits for its old belief."""
    writers = tuple([writer._replace(waits=False) if writer.waits else writer for writer in world.writers])
    return world._replace(process=process, writers=writers)
