"""May this process believe a value that it finds in Redis?

The protocol of `entries` keeps a cached row fresh as long as every writer reaches Redis. While Redis hangs or is
read-only, writers go on without it, and their fences are missing when it comes back. So a process that had any trouble
with Redis doubts it: it reads from the database until it has compared, itself, the rows changed lately with what Redis
holds.

A process that happened to be idle would not notice the trouble, so each one *probes*: it fences a key of its own every
`probe_interval_s`. The probe is a fence because that is the question: could a writer fence now? (A PING is answered by
a read-only server too.) A writer gives up a hung Redis after two timeouts, one before its commit and one after; a
probe gives up after one timeout and one interval, which is sooner. So when a write without a fence is acknowledged,
everybody doubts.

A process is born doubting: whoever missed a fence may be dead by now.
"""

import os
import threading
import time
from collections.abc import Callable
from uuid import uuid4

import structlog
from redis import RedisError

from webapp.cache import keys
from webapp.cache.entries import Entries

log = structlog.get_logger(__name__)

FROZEN_AFTER_S = 1.0
"""A process that did not get to probe for this long may have slept through an outage of Redis from beginning to end,
and doubts, in s. Frozen for less, and through all of an outage, it would not notice (docs/cache-contract.md).
"""

RETRY_PAUSE_S = 1.0
"""How long a reconciliation that failed waits before it is tried again, in s."""


class Trust:
    """Whether cached values may be served, and the thread that finds out."""

    def __init__(self, entries: Entries, probe_interval_s: float) -> None:
        self._entries = entries
        self._probe_interval_s = probe_interval_s
        self._reconcile: Callable[[], object] | None = None
        self._lock = threading.Lock()
        self._doubts = 1
        self._settled = 0
        self._pid = 0
        self._probed_at = time.monotonic()
        self._stopped = threading.Event()

    def reconcile_with(self, reconcile: Callable[[], object]) -> None:
        """Name what compares the recent rows with Redis before it is believed again. It raises if it could not."""
        self._reconcile = reconcile

    def believes(self) -> bool:
        """Say whether a value found in Redis may be served. Starts the watching in a process that does not watch
        yet.
        """
        if self._pid != os.getpid():
            self._watch_in_this_process()
        return self._settled == self._doubts and not self._was_frozen()

    def _was_frozen(self) -> bool:
        return self._probe_interval_s > 0 and time.monotonic() - self._probed_at > FROZEN_AFTER_S

    def doubt(self, error: Exception, operation: str) -> None:
        """Take note of trouble with Redis: nothing is believed until a reconciliation begun after this has ended."""
        with self._lock:
            was_settled = self._settled == self._doubts
            self._doubts += 1
        if was_settled:
            log.warning("redis_unreachable", operation=operation, error=type(error).__name__, fallback="database")

    def settle(self) -> None:
        """Reconcile, and believe again unless there was new trouble meanwhile. Raises what the reconciliation
        raises.
        """
        doubts = self._doubts
        if self._reconcile is not None:
            self._reconcile()
        with self._lock:
            self._settled = doubts
        if self._settled == self._doubts:
            log.info("redis_trusted")

    def stop(self) -> None:
        """End the watching thread, if there is one."""
        self._stopped.set()

    def _watch_in_this_process(self) -> None:
        with self._lock:
            if self._pid == os.getpid():
                return
            # A forked child inherits this object but not the thread: it starts one of its own, and doubting.
            self._doubts += 1
            self._pid = os.getpid()
            self._stopped = threading.Event()
        if self._probe_interval_s > 0:
            threading.Thread(target=self._watch, args=(self._stopped,), name="redis-watch", daemon=True).start()

    def _watch(self, stopped: threading.Event) -> None:
        probe = keys.probe(uuid4().hex)
        beat = 0
        while not stopped.wait(self._probe_interval_s if beat else 0):
            beat += 1
            try:
                self._entries.fence({probe: beat})
            except RedisError as error:
                self.doubt(error, operation="probe")
                continue
            if self._was_frozen():
                self.doubt(TimeoutError(), operation="frozen")
            if self._settled != self._doubts:
                self._settle_or_stay_in_doubt()
            # After the comparison, which may take a while itself: it would have failed in an outage.
            self._probed_at = time.monotonic()

    def _settle_or_stay_in_doubt(self) -> None:
        try:
            self.settle()
        except Exception:
            # Redis or the database failed half way, or a defect did: each leaves the process where it is safe, reading
            # from the database, and the thread alive to try again.
            log.exception("reconcile_failed")
            self._stopped.wait(RETRY_PAUSE_S)
