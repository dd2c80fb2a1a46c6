"""Which rules are explored, how far, and what each weaker one takes away."""

from typing import NamedTuple

from tests.coherence.models import weaker_processes as processes
from tests.coherence.models import weaker_writers as writers
from tests.coherence.models.belief import Belief
from tests.coherence.models.belief_world import Bounds


class Rules(NamedTuple):
    """Rules, and the bounds that show what they are worth."""

    kind: type[Belief]
    bounds: Bounds


ONE_EACH = Bounds(losses=0, crashes=0)
TWO_WRITERS = Bounds(writers=2, losses=0, crashes=0, renews=False)

KEPT = {
    "one writer, a loss, a crash, a late command": Rules(Belief, Bounds(late=1)),
    "two writers, the short cut": Rules(Belief, TWO_WRITERS),
    "two writers, a loss": Rules(Belief, Bounds(writers=2, crashes=0, renews=False, short_cut=False)),
    "two processes, a loss": Rules(Belief, Bounds(processes=2, crashes=0, short_cut=False)),
    "two writers and two processes": Rules(Belief, Bounds(2, 2, 0, 0, fills=False, short_cut=False)),
    "a slow read": Rules(processes.SlowRead, Bounds(crashes=0)),
}

WEAKER = {
    "acknowledge at once when refused": Rules(writers.AcknowledgesWhenRefused, ONE_EACH),
    "wait, but no debts": Rules(writers.WaitsWithoutDebts, ONE_EACH),
    "debts, but no wait": Rules(writers.DoesNotWait, ONE_EACH),
    "debt before COMMIT, on its own": Rules(writers.OwesBeforeCommit, Bounds(crashes=0)),
    "wait counted from the INSERT": Rules(writers.CountsFromInsert, ONE_EACH),
    "repeated write without a fence": Rules(writers.RepeatsWithoutFence, Bounds(losses=0)),
    "short cut looked up before COMMIT": Rules(writers.LooksBeforeCommit, TWO_WRITERS),
    "short cut by any debt": Rules(writers.CutsShortByAnyDebt, TWO_WRITERS),
    "short cut counted from the beginning of the look": Rules(writers.CountsFromBeginningOfLook, TWO_WRITERS),
    "belief from before the fencing": Rules(processes.BelievesAfterFencing, TWO_WRITERS),
    "belief from the end of the read": Rules(processes.BelievesFromTheEnd, ONE_EACH),
    "belief looked up after the MGET": Rules(processes.LooksAfterwards, ONE_EACH),
    "a clock that stands still": Rules(processes.ClockStandsStill, ONE_EACH),
    "belief on probes": Rules(processes.BelievesOnProbes, ONE_EACH),
    "debts deleted before they are fenced": Rules(processes.DeletesBeforeFencing, ONE_EACH),
    "debts deleted without an answer": Rules(processes.DeletesUnanswered, ONE_EACH),
    "debts deleted by key": Rules(processes.DeletesByKey, TWO_WRITERS),
    "debts that others settle are skipped": Rules(processes.SkipsLocked, Bounds(1, 2, 0, 0, short_cut=False)),
    "lease repeated by the client library": Rules(processes.RepeatsLease, Bounds(crashes=0, late=1)),
}
