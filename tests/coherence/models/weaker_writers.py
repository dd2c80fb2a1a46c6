"""What is not enough: rules of belief and debts with one part of the writer's left out or put elsewhere."""

from collections.abc import Iterator, Mapping

from tests.coherence.models.belief import Belief
from tests.coherence.models.belief_world import NO_DEBT, WRITTEN, Debt, L, World, Writer, by_writer, holds_the_row
from tests.coherence.search import Move

NOT_INSERTED = Debt(-1)
"""A debt that a writer waits for and that is in no table."""

LOOKING, SOME_DEBT = Debt(-2), Debt(-3)
"""What the process of a writer has seen when it does not know which debt it sees."""


class AcknowledgesWhenRefused(Belief):
    """A write whose fence is refused is acknowledged at once; no debts. The protocol before debts (decision 4)."""

    def debt_before_commit(self, version: int) -> Debt:
        return NO_DEBT

    def reason_to_acknowledge(self, world: World, writer: Writer) -> str:
        return "nobody to tell"


class WaitsWithoutDebts(Belief):
    """A write whose fence is refused waits L after its COMMIT; no debts."""

    def debt_before_commit(self, version: int) -> Debt:
        return NO_DEBT

    def commit(self, world: World, at: int, writer: Writer) -> Iterator[Move]:
        then = writer._replace(step="answer", debt=NOT_INSERTED)
        yield by_writer(world, at, "commits", then, row=writer.version)

    def reason_to_acknowledge(self, world: World, writer: Writer) -> str:
        return "it has waited" if writer.age >= L else ""


class DoesNotWait(Belief):
    """A write with a debt is acknowledged without waiting."""

    def reason_to_acknowledge(self, world: World, writer: Writer) -> str:
        return "its debt is committed" if writer.debt != NO_DEBT else ""


class OwesAfterCommitOnly(Belief):
    """A fence missed before the COMMIT makes no debt; only one missed after it does."""

    def debt_before_commit(self, version: int) -> Debt:
        return NO_DEBT


class OwesBeforeCommit(Belief):
    """The debt of a fence missed before the COMMIT is committed before it, in a transaction of its own."""

    further_steps: Mapping[str, str] = {"commit after the debt": "commit"}

    def commit(self, world: World, at: int, writer: Writer) -> Iterator[Move]:
        if writer.debt == NO_DEBT or writer.step == "commit after the debt":
            then = writer._replace(step="answer", age=0)
            yield by_writer(world, at, "commits", then, row=writer.version)
        else:
            then, debts = writer._replace(step="commit after the debt"), world.debts | {writer.debt}
            yield by_writer(world, at, f"commits {writer.debt} alone, before its row", then, debts=debts)
        yield by_writer(world, at, "rolls back", WRITTEN)


class CountsFromInsert(Belief):
    """The wait is counted from the INSERT of the debt, not from its COMMIT."""

    further_steps: Mapping[str, str] = {"commit, and count": "commit"}

    def commit(self, world: World, at: int, writer: Writer) -> Iterator[Move]:
        if writer.debt != NO_DEBT and writer.step == "commit":
            yield by_writer(world, at, f"inserts {writer.debt}", writer._replace(step="commit, and count"))
        else:
            yield from super().commit(world, at, writer)


class SkipsFirstFence(Belief):
    """No fence before the COMMIT; one after it, with all that follows when it is missed."""

    def update(self, world: World, at: int, writer: Writer) -> Iterator[Move]:
        if world.row <= self.bounds.writers and not holds_the_row(world):
            then = writer._replace(step="commit", version=world.row + 1)
            yield by_writer(world, at, f"updates the row to version {then.version}", then)


class RepeatsWithoutFence(Belief):
    """A repeated write finds nothing to change and is acknowledged without a fence."""

    def repeat(self, world: World, at: int, writer: Writer) -> Iterator[Move]:
        acknowledged = max(world.acknowledged, world.row)
        what = f"repeats its write, finds version {world.row} unchanged and acknowledges"
        yield by_writer(world, at, what, WRITTEN, acknowledged=acknowledged)


class LooksBeforeCommit(Belief):
    """The short cut is taken because of an old debt that was still there in the transaction, before its COMMIT."""

    further_steps: Mapping[str, str] = {
        "commit, cut": "commit_cut_short",
        "answer, cut": "answer_cut_short",
    }

    def commit(self, world: World, at: int, writer: Writer) -> Iterator[Move]:
        yield from super().commit(world, at, writer)
        if writer.debt != NO_DEBT and self.short_cut(world, writer):
            then = Writer("commit, cut", writer.version, writer.debt)
            yield by_writer(world, at, f"finds that {writer.seen} is still there", then)

    def commit_cut_short(self, world: World, at: int, writer: Writer) -> Iterator[Move]:
        then, debts = writer._replace(step="answer, cut"), world.debts | {writer.debt}
        yield by_writer(world, at, f"commits with {writer.debt}", then, row=writer.version, debts=debts)

    def answer_cut_short(self, world: World, at: int, writer: Writer) -> Iterator[Move]:
        acknowledged = max(world.acknowledged, writer.version)
        yield by_writer(world, at, "is refused its fence and acknowledges", WRITTEN, acknowledged=acknowledged)


class CutsShortByAnyDebt(Belief):
    """The short cut is taken when the table was not empty L ago and is not now, whatever debts those were."""

    def looks(self, world: World, at: int, writer: Writer) -> Iterator[Move]:
        if writer.seen == NO_DEBT and world.debts - {writer.debt}:
            yield by_writer(world, at, "sees some debt", writer._replace(seen=SOME_DEBT))

    def short_cut(self, world: World, writer: Writer) -> str:
        return "the table is not empty" if writer.seen == SOME_DEBT and writer.seen_age >= L else ""


class CountsFromBeginningOfLook(Belief):
    """The age of the debt that cuts a wait short is counted from the beginning of the read that found it."""

    def looks(self, world: World, at: int, writer: Writer) -> Iterator[Move]:
        if writer.seen == NO_DEBT and writer.step == "update":
            yield by_writer(world, at, "begins to read the debts", writer._replace(seen=LOOKING))
        if writer.seen == LOOKING:
            for debt in sorted(world.debts - {writer.debt}):
                yield by_writer(world, at, f"has read {debt}", writer._replace(seen=debt))
