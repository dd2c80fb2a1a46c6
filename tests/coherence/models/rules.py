"""Which rules are explored and how far: those that are kept, and those that each take one thing away."""

from functools import lru_cache

from tests.coherence.models import weaker_processes as processes
from tests.coherence.models import weaker_writers as writers
from tests.coherence.models.belief import Belief
from tests.coherence.models.belief_world import Bounds
from tests.coherence.models.exploring import Explored, Model, explored
from tests.coherence.models.postgres_failover import PostgresFailover
from tests.coherence.models.postgres_world import Bounds as OfPostgres
from tests.coherence.models.postgres_world import Rules
from tests.coherence.models.redis_failover import RUN_ID, RUN_ID_AND_REPLID, RedisFailover

ONE_EACH = Bounds(losses=0, crashes=0)
A_CRASH = Bounds(losses=0)
TWO_WRITERS = Bounds(writers=2, losses=0, crashes=0, renews=False)

KEPT: dict[str, Model] = {
    "one writer; a loss, a crash, a late command": Belief(Bounds(late=1, short_cut=False)),
    "one writer; a loss, a crash, the short cut": Belief(Bounds()),
    "two writers with the short cut": Belief(TWO_WRITERS),
    "two writers; a loss": Belief(Bounds(writers=2, crashes=0, renews=False, short_cut=False)),
    "two processes; a loss": Belief(Bounds(processes=2, crashes=0, short_cut=False)),
    "two writers, two processes, no filler": Belief(Bounds(2, 2, 0, 0, fills=False, short_cut=False)),
    "a read that stands still half way; a loss": processes.SlowRead(Bounds(crashes=0)),
    "Redis fails over three times": RedisFailover(RUN_ID_AND_REPLID, failovers=3, losses=0),
    "Redis fails over there and back; a loss": RedisFailover(RUN_ID_AND_REPLID, failovers=2, losses=1),
    "PostgreSQL loses commits; a loss": PostgresFailover(Rules(), OfPostgres(losses=1)),
    "PostgreSQL loses commits, and its old primary answers": PostgresFailover(
        Rules(), OfPostgres(losses=1, old_primary_answers=True)
    ),
    "PostgreSQL loses commits, Redis refuses": PostgresFailover(Rules(), OfPostgres(refusals=True)),
    "PostgreSQL loses debts, Redis refuses; a loss": PostgresFailover(Rules(), OfPostgres(1, refusals=True, losses=1)),
}

WEAKER: dict[str, Model] = {
    "acknowledge at once when refused": writers.AcknowledgesWhenRefused(ONE_EACH),
    "wait L, but no debts": writers.WaitsWithoutDebts(ONE_EACH),
    "debts, but no wait": writers.DoesNotWait(ONE_EACH),
    "debt committed before COMMIT, on its own": writers.OwesBeforeCommit(Bounds(crashes=0)),
    "wait counted from the INSERT": writers.CountsFromInsert(ONE_EACH),
    "repeated write without a fence": writers.RepeatsWithoutFence(A_CRASH),
    "short cut looked up before COMMIT": writers.LooksBeforeCommit(TWO_WRITERS),
    "short cut by any debt, not the same one": writers.CutsShortByAnyDebt(TWO_WRITERS),
    "short cut counted from the beginning of the read": writers.CountsFromBeginningOfLook(
        Bounds(writers=2, losses=0, crashes=0, fills=False)
    ),
    "belief after fencing, with the short cut": processes.BelievesAfterFencing(TWO_WRITERS),
    "belief from the end of the read": processes.BelievesFromTheEnd(ONE_EACH),
    "belief looked up after the MGET only": processes.LooksAfterwards(ONE_EACH),
    "clock stands still in a frozen process": processes.ClockStandsStill(ONE_EACH),
    "belief from probes while the database is away": processes.BelievesOnProbes(ONE_EACH),
    "debts deleted before they are fenced": processes.DeletesBeforeFencing(ONE_EACH),
    "debts deleted without an answer to the fence": processes.DeletesUnanswered(ONE_EACH),
    "debts deleted by key": processes.DeletesByKey(TWO_WRITERS),
    "debts that others settle are skipped": processes.SkipsLocked(Bounds(1, 2, 0, 0, short_cut=False)),
    "lease repeated by the client library": processes.RepeatsLease(Bounds(crashes=0, late=1)),
    "stamp: run id alone": RedisFailover(RUN_ID, failovers=2, losses=0),
    "stamp: the old primary was never demoted": RedisFailover(RUN_ID_AND_REPLID, failovers=2, losses=0, demotes=False),
    "stamp: no timeline": PostgresFailover(Rules(stamp="none", fill_compares=False), OfPostgres()),
    "stamp: timeline that the process knows": PostgresFailover(Rules(stamp="process"), OfPostgres()),
    "stamp: fill does not compare, old primary answers": PostgresFailover(
        Rules(fill_compares=False), OfPostgres(old_primary_answers=True)
    ),
    "stamp: debts fenced with a timeline known before": PostgresFailover(
        Rules(debts_with_timeline=False), OfPostgres(refusals=True)
    ),
    "stamp: debts numbered by a sequence": PostgresFailover(Rules(debts_are_numbered=True), OfPostgres(refusals=True)),
    "stamp: debt gone, timeline not compared": PostgresFailover(
        Rules(gone_compares=False), OfPostgres(1, refusals=True, losses=1)
    ),
}

NEVER_STALE: dict[str, Model] = {
    "debts after COMMIT only": writers.OwesAfterCommitOnly(A_CRASH),
    "no fence before COMMIT": writers.SkipsFirstFence(A_CRASH),
}

ALL: dict[str, Model] = {**KEPT, **WEAKER, **NEVER_STALE}


@lru_cache
def found(name: str) -> Explored:
    """Explore the rules of one name, once."""
    return explored(ALL[name])
