"""Fences that Redis did not take: written down in the database, made up for by whoever can, and waited for.

A *debt* is a row of `missed_fences`. Who looks at the table (see `trust`):

1. reads it, on the primary. No debts: believe, from the beginning of the read. Otherwise it believes nothing, and
2. takes some of them that nobody else is paying, fences their keys under the timeline that stands in the
   same answer, and deletes them if Redis took the fences. Deleted before that, they would be forgotten unpaid.
3. looks again.

Who owes, because its fence after the COMMIT was refused or its answer was lost:

4. commits the debt, if it was not committed together with the change (that of a refused fence before the COMMIT was).
5. Waits, without a connection to the database, until it may acknowledge, that is until one of these holds:
   * a fence was accepted now, after the COMMIT;
   * the debt is gone: somebody has paid it. Unless the database has another timeline by now: it may have lost the debt;
   * `WAIT_S` have passed since the debt's COMMIT returned. Who believes by then has found the table empty after it;
   * a debt that this process saw `WAIT_S` or more ago still stands *now*, after its own was committed: the table was
     never empty in between, so nobody believes. That is what keeps writers from waiting all through an outage.

Why each of these may not be any weaker: tests/coherence/test_belief_model.py and docs/decisions/0010.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import structlog
from redis import RedisError
from sqlalchemy import Connection, Engine, delete, insert, select, true
from sqlalchemy.exc import SQLAlchemyError

from webapp.cache.entries import Entries, Floors
from webapp.cache.stamp import Stamp
from webapp.cache.trust import BELIEF_S
from webapp.clock import boottime
from webapp.database import NotThePrimaryError, timeline_column, timeline_of
from webapp.models import MissedFence, new_id

log = structlog.get_logger(__name__)

StandingAside = Callable[[], AbstractContextManager[None]]

WAIT_S = BELIEF_S * 1.1
"""How long a writer waits at most, in s: a little longer than anybody believes, for clocks that do not run alike."""

POLL_S = 0.02
"""How soon a writer that waits looks again, in s."""

BACK_OFF = 1.5
"""How many times as long it waits after each look: a crowd of writers must leave the database to others."""

GIVE_UP_S = 2.0
"""How long a writer tries to write a debt down that came up after its COMMIT, in s. Then it fails: what is not
acknowledged may be old.
"""

BATCH = 500
"""Debts that one look shows, and one payment takes: one round trip to Redis, well within its time limit."""

_TABLE = MissedFence.__table__


def owe(connection: Connection, floors: Floors) -> list[str]:
    """Write debts down in the transaction of `connection`, and return their ids."""
    rows = [{"id": new_id(), "key": key, "floor": floor} for key, floor in floors.items()]
    connection.execute(insert(MissedFence), rows)
    return [str(row["id"]) for row in rows]


class Debts:
    """The table, as one application looks at it and pays, and as its writers wait.

    `watch_engine` is for who looks alone, who must not wait for somebody else's connection. To look is no transaction,
    which on SQLite would wait for every writer's. `standing_aside` lends the place of a thread that waits to others.
    """

    def __init__(
        self,
        watch_engine: Engine,
        engine: Engine,
        entries: Entries,
        stamp: Stamp,
        standing_aside: StandingAside,
    ) -> None:
        self._standing_aside = standing_aside
        self._watch_engine, self._engine = watch_engine, engine
        self._looking_engine, self._reading_engine = (
            each.execution_options(isolation_level="AUTOCOMMIT") for each in (watch_engine, engine)
        )
        self._entries, self._stamp = entries, stamp
        # SQLite locks no rows but all of them, and would for as long as Redis keeps who pays waiting.
        self._paying_engine = self._looking_engine if watch_engine.dialect.name == "sqlite" else watch_engine
        self._timeline = timeline_column(watch_engine.dialect.name).label("timeline")
        self._oldest: tuple[str, float] | None = None

    def look(self) -> bool:
        """Read the table, and say whether there are no debts. Raises SQLAlchemy's errors."""
        asked = self._stamp.question()
        timeline, ids = self._read()
        self._stamp.take_over_timeline(timeline, asked)
        self._remember(ids)
        return not ids

    def _read(self) -> tuple[str, list[str]]:
        found = select(_TABLE.c.id).order_by(_TABLE.c.id).limit(BATCH).subquery()
        now = select(self._timeline).subquery()
        query = select(now.c.timeline, found.c.id).join_from(now, found, true(), isouter=True)
        with self._looking_engine.connect() as connection:
            rows = connection.execute(query).all()
        if rows[0].timeline is None:
            raise NotThePrimaryError("the database is a standby")
        return rows[0].timeline, [row.id for row in rows if row.id is not None]

    def _remember(self, ids: Sequence[str]) -> None:
        """Keep in mind a debt that stands, with the time when it was first seen."""
        if self._oldest is None or self._oldest[0] not in ids:
            self._oldest = (ids[0], boottime()) if ids else None

    def pay(self) -> None:
        """Pay debts that nobody else is paying, `BATCH` at most. Raises RedisError and SQLAlchemy's errors."""
        # Several processes share the work: each takes what nobody else has taken.
        query = select(_TABLE.c.id, _TABLE.c.key, _TABLE.c.floor, self._timeline)
        query = query.order_by(_TABLE.c.id).limit(BATCH).with_for_update(skip_locked=True, of=_TABLE)
        with self._paying_engine.begin() as connection:
            rows = connection.execute(query).all()
            if not rows:
                return
            floors: dict[str, int] = {}
            for row in rows:
                floors[row.key] = max(row.floor, floors.get(row.key, 0))
            self._entries.fence(floors, rows[0].timeline)
            connection.execute(delete(MissedFence).where(_TABLE.c.id.in_([row.id for row in rows])))
        log.info("missed_fences_made_up_for", fences=len(floors), debts=len(rows))

    def wait(self, owed: "Owed", may_try: Callable[[], bool]) -> None:
        """Return when a change whose fence after the COMMIT failed may be acknowledged.

        `may_try` says whether another fence is worth the time. Raises SQLAlchemy's errors when nothing at all could be
        done: then the change must not be acknowledged.
        """
        if not owed.ids and self._owe_afterwards(owed):
            return
        if not self._is_made_up_for(owed, may_try):
            with self._standing_aside():
                self._wait(owed, may_try)

    def _wait(self, owed: "Owed", may_try: Callable[[], bool]) -> None:
        deadline, pause_s = owed.since + WAIT_S, POLL_S
        while (left_s := deadline - boottime()) > 0:
            time.sleep(min(pause_s, left_s))
            if self._is_made_up_for(owed, may_try):
                return
            pause_s *= BACK_OFF

    def forget(self, ids: Sequence[str]) -> None:
        """Delete debts that a fence after their COMMIT has made up for; who looks next deletes them otherwise."""
        try:
            with self._engine.begin() as connection:
                connection.execute(delete(MissedFence).where(_TABLE.c.id.in_(ids)))
        except SQLAlchemyError as error:
            log.warning("debts_not_forgotten", debts=len(ids), error=type(error).__name__)

    def _owe_afterwards(self, owed: "Owed") -> bool:
        """Write down what was not written before the COMMIT. Say whether a fence was accepted instead."""
        give_up_at = boottime() + GIVE_UP_S
        while True:
            try:
                with self._engine.begin() as connection:
                    ids = owe(connection, owed.floors)
            except SQLAlchemyError:
                if self._is_fenced(owed):
                    return True
                if boottime() > give_up_at:
                    raise
                time.sleep(POLL_S)
            else:
                owed.ids, owed.since = ids, boottime()
                return False

    def _is_made_up_for(self, owed: "Owed", may_try: Callable[[], bool]) -> bool:
        if may_try() and self._is_fenced(owed):
            self.forget(owed.ids)
            return True
        oldest = self._oldest  # Read before it is asked for: another thread may put a younger one there.
        ids = [*owed.ids, oldest[0]] if oldest else owed.ids
        try:
            with self._reading_engine.connect() as connection:
                standing = set(connection.scalars(select(_TABLE.c.id).where(_TABLE.c.id.in_(ids))))
                is_the_same = timeline_of(connection) == owed.timeline
        except SQLAlchemyError:
            return False  # Time tells, too.
        if standing.isdisjoint(owed.ids):
            return is_the_same
        return oldest is not None and oldest[0] in standing and boottime() - oldest[1] >= WAIT_S

    def _is_fenced(self, owed: "Owed") -> bool:
        try:
            self._entries.fence(owed.floors, owed.timeline)
        except RedisError:
            return False  # As before: that is why somebody waits here.
        return True

    def close(self) -> None:
        """Close the connection of who looks."""
        self._watch_engine.dispose()


@dataclass
class Owed:
    """What a committed change owes: fences of these floors, under the timeline that its transaction has read.

    `ids` are the debts that stand for it, and `since` is when their COMMIT had returned, by `boottime`.
    """

    floors: Floors
    timeline: str | None
    ids: list[str]
    since: float
