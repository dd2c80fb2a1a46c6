"""May this process believe a value that it finds in Redis?

The protocol of `entries` keeps a cached row fresh as long as every writer reaches Redis. A fence that Redis refused,
lost or answered too late is a debt, and stands in a table of the database, committed together with the change (see
`debts`). So this is what a process believes by:

    **I found the table of debts empty, in a read that began less than `BELIEF_S` ago.**

A writer that owes a fence acknowledges its change when the debt is paid, or when `BELIEF_S` have passed since it was
committed: whoever believes by then has read the table after that, and found the debt paid. It does not matter why a
fence failed, for how long Redis refuses, or whether anybody else noticed.

1. Two threads, which wait for nobody, look every `interval_s`: one at the debts, one at Redis.
2. Each look is dated by its *beginning*, on a clock that goes on while the machine is suspended. So a process that was
   stopped for however long believes nothing when it wakes, until it has looked.
3. Who finds debts does not believe from then on, and pays: fences, deletes what was fenced, and looks again. Only a
   look that found nothing makes it believe; what it has paid itself says nothing of what it could not see.
4. The look at Redis finds out what no error tells an idle process: that the server refuses writes, or follows another.
5. Any trouble of its own with Redis (`doubt`) ends a process' belief until both looks, begun after that, went well. No
   promise needs it: it keeps requests from waiting for a Redis that hangs.
6. While the database cannot be read there is nothing to look at. A process that believed before goes on, as long as
   every look at Redis goes well: it answers what it can. (docs/cache-contract.md says what that costs.) A standby that
   answers is no such excuse: writers have a primary elsewhere.

A process is born doubting.
"""

import math
import os
import threading
from collections.abc import Callable
from typing import Protocol
from uuid import uuid4

import structlog
from redis import ReadOnlyError, RedisError
from sqlalchemy.exc import SQLAlchemyError

from webapp.cache import keys
from webapp.clock import boottime
from webapp.database import NotThePrimaryError

log = structlog.get_logger(__name__)

BELIEF_S = 0.5
"""How long an empty table of debts is good for, in s, from the beginning of the read that found it so."""

AGAIN_S = 0.01
"""How soon a process that has paid debts looks again, in s."""

STOP_S = 1.0
"""How long the end of a watching thread is waited for, in s."""

SLOW_LOOK_S = 0.4
"""A look at the database that failed after longer than this, in s, tells more of this process than of the database."""


class Table(Protocol):
    """What is asked of the table of debts."""

    def look(self) -> bool:
        """Say whether there are none. Raises SQLAlchemy's errors."""

    def pay(self) -> None:
        """Pay some that are there. Raises RedisError and SQLAlchemy's errors."""


class Trust:
    """Whether cached values may be served, and the threads that find out.

    `probe(key, beat)` looks at Redis. With an interval of 0 nobody looks but `settle`, and what it finds is good until
    there is a doubt.
    """

    def __init__(
        self, interval_s: float, probe: Callable[[str, int], None], leave: Callable[[], None], debts: Table
    ) -> None:
        self._interval_s = interval_s
        self._lasts_s = BELIEF_S if interval_s else math.inf
        self._probe, self._leave, self._debts = probe, leave, debts
        self._lock = threading.Lock()
        self._pid = 0
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._probe_key, self._beat = "", 0
        self._begin_doubting()

    def _begin_doubting(self) -> None:
        self._doubted_at = boottime()
        self._no_debts_at = self._probed_at = -math.inf
        self._unbroken_since = math.inf
        self._database_is_away = self.is_out_of_reach = self._is_told = False

    def watch(self) -> None:
        """Begin to look, in a process that does not yet."""
        if self._pid != os.getpid():
            self._watch_in_this_process()

    def believes(self) -> bool:
        """Say whether a value may be served that is fetched from Redis *after* this was asked. Watches from then on."""
        self.watch()
        now = boottime()
        if now - self._probed_at >= self._lasts_s:
            return False
        return now - self._no_debts_at < self._lasts_s or self._is_excused()

    def _is_excused(self) -> bool:
        # Every look at Redis has gone well since before the last look at the debts, which found none.
        return self._database_is_away and self._unbroken_since <= self._no_debts_at

    def doubt(self, error: Exception, operation: str) -> None:
        """Take note of trouble with Redis: nothing is believed until it has gone well again."""
        with self._lock:
            was_told = self._is_told
            self._doubted_at = boottime()
            self._no_debts_at = self._probed_at = -math.inf
            self._unbroken_since = math.inf
            self._is_told = False
        if isinstance(error, ReadOnlyError):
            self._leave()
        if was_told:
            log.warning("redis_unreachable", operation=operation, error=type(error).__name__, fallback="database")

    def settle(self) -> None:
        """Look at both, until there are no debts. Raises RedisError and SQLAlchemy's errors."""
        self.watch()
        began = boottime()
        self._probe(self._probe_key, self._next_beat())
        self._note_probe(began)
        while not self._look():
            self._stopped.wait(AGAIN_S)

    def require(self) -> None:
        """Settle, unless this process believes already: who fills must know under which stamp. Raises as `settle`."""
        if not self.believes():
            self.settle()

    def stop(self) -> None:
        """End the watching threads, if there are any. One that waits for an answer is not waited for much longer."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(STOP_S)

    def _watch_in_this_process(self) -> None:
        with self._lock:
            if self._pid == os.getpid():
                return
            # A forked child inherits this object but not the threads: it starts its own, and doubting.
            self._begin_doubting()
            self._stopped = threading.Event()
            self._probe_key = keys.probe(uuid4().hex)
            self._threads = [
                threading.Thread(target=watch, args=(self._stopped,), name=watch.__name__, daemon=True)
                for watch in (self._watch_redis, self._watch_debts)
                if self._interval_s
            ]
            try:
                for thread in self._threads:
                    thread.start()
            except RuntimeError:  # No further thread can be started. Whoever asks next tries again.
                self._stopped.set()
                log.exception("watching_failed")
            else:
                self._pid = os.getpid()

    def _watch_redis(self, stopped: threading.Event) -> None:
        while True:
            began = boottime()
            try:
                self._probe(self._probe_key, self._next_beat())
            except RedisError as error:
                self.is_out_of_reach = True
                self.doubt(error, operation="probe")
            except Exception as error:
                # A defect leaves the process where it is safe, reading from the database, and the thread alive.
                log.exception("probe_failed")
                self.doubt(error, operation="probe")
            else:
                self._note_probe(began)
            if stopped.wait(self._interval_s):
                return

    def _watch_debts(self, stopped: threading.Event) -> None:
        pause_s = 0.0
        while not stopped.wait(pause_s):
            began = boottime()
            pause_s = self._interval_s
            try:
                if not self._look():
                    pause_s = AGAIN_S
            except RedisError as error:
                self.doubt(error, operation="pay")
            except SQLAlchemyError as error:
                self._note_database_away(began, error)
            except Exception as error:
                log.exception("look_failed")
                self.doubt(error, operation="look")

    def _look(self) -> bool:
        """Look for debts, and pay some of those that are there. Say whether there were none."""
        began = boottime()
        try:
            found_none = self._debts.look()
        except NotThePrimaryError:
            self._note_debts()
            raise
        if found_none:
            self._note_no_debts(began)
        else:
            self._note_debts()  # Before they are paid: whatever becomes of that, they were there.
            self._debts.pay()
        return found_none

    def _next_beat(self) -> int:
        with self._lock:
            self._beat += 1
            return self._beat

    def _note_probe(self, began: float) -> None:
        with self._lock:
            self.is_out_of_reach = False
            if began <= self._doubted_at:
                return
            if self._unbroken_since == math.inf or began - self._probed_at > self._lasts_s:
                self._unbroken_since = began
            self._probed_at = began

    def _note_no_debts(self, began: float) -> None:
        with self._lock:
            self._database_is_away = False
            if began <= self._doubted_at:
                return
            self._no_debts_at = began
            is_news = not self._is_told and self._probed_at > self._doubted_at
            self._is_told = self._is_told or is_news
        if is_news:
            log.info("redis_trusted")

    def _note_debts(self) -> None:
        with self._lock:
            self._database_is_away = False
            self._no_debts_at = -math.inf

    def _note_database_away(self, began: float, error: Exception) -> None:
        with self._lock:
            was_away = self._database_is_away
            if boottime() - began < SLOW_LOOK_S:
                self._database_is_away = True
        if not was_away:
            log.warning("debts_unreadable", error=type(error).__name__)
