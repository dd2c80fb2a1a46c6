"""What a PostgreSQL failover happens to: rows, a key, debts, and who reads and changes them."""

from dataclasses import dataclass
from typing import NamedTuple

from tests.coherence.protocol import ABSENT, Key


@dataclass(frozen=True)
class Rules:
    """Who names which timeline. The defaults are the rules that are kept.

    `stamp`: the timeline of a write is read in its "transaction", is known to its "process" from some time, or "none"
    is kept. `fill_compares`: a fill is given up if its load ran on another timeline than that of its lease.
    `debts_with_timeline`: a debt is fenced with the timeline read in the statement that found it, not with the one that
    the process knew before. `gone_compares`: a debt that is gone was settled only if the timeline is still that of its
    COMMIT. `debts_are_numbered`: debts are found by a number from a sequence, which goes back with the rest.
    """

    stamp: str = "transaction"
    fill_compares: bool = True
    debts_with_timeline: bool = True
    gone_compares: bool = True
    debts_are_numbered: bool = False


@dataclass(frozen=True)
class Bounds:
    """How many writers there are, whether Redis refuses fences, how often the key may be lost, and whether the old
    primary still answers those who load.
    """

    writers: int = 2
    refusals: bool = False
    losses: int = 0
    old_primary_answers: bool = False


class Debt(NamedTuple):
    """A row of the table of debts: what it is found by, its floor, and whether it was committed on its own."""

    name: str
    floor: int
    is_alone: bool

    def __str__(self) -> str:
        return f"debt({self.name})"


NO_DEBT = Debt("", 0, False)


class Writer(NamedTuple):
    """A writer's next step, its version, the timeline that it stamps with, the row that it has committed, its debt if a
    fence was refused, and the timeline that this was committed on. It waits while the process believes from before
    that.
    """

    step: str = "update"
    version: int = 0
    timeline: int = 0
    row: str = ""
    debt: Debt = NO_DEBT
    owed_on: int = 0
    waits: bool = False


DONE = Writer("done")


class Process(NamedTuple):
    """Whether a process believes, the timeline that it knows, and the debt that it is settling, with the timeline that
    it fences it with.
    """

    believes: bool
    timeline: int = 0
    debt: Debt = NO_DEBT
    fences_with: int = 0
    is_fenced: bool = False


class Filler(NamedTuple):
    """A filler's next step, the timeline of its lease, and the version and the row that it has loaded."""

    step: str = "lease"
    timeline: int = 0
    version: int = 0
    row: str = ""


class World(NamedTuple):
    """A state. `rows` are the row at version 1, 2, ...; `kept` of them were there after the failover, or 0 before it.
    `promised` is the newest version that was acknowledged and not lost. `row` is what the key holds if it is a value.
    """

    rows: tuple[str, ...]
    timeline: int
    promised: int
    kept: int
    key: Key
    row: str
    stamp: int
    debts: frozenset[Debt]
    writers: tuple[Writer, ...]
    process: Process
    filler: Filler
    losses: int
    old_rows: tuple[str, ...] = ()

    def __str__(self) -> str:
        knows = f"the process {'believes' if self.process.believes else 'doubts'} on timeline {self.process.timeline}"
        held = "absent" if self.key == ABSENT else f"{self.key} {self.row and f'({self.row}) '}stamped {self.stamp}"
        return f"row {self.rows[-1]}  {held:42}  promised {self.promised}  {knows}"
