"""The threads that answer requests: so many at work at the same time, however many wait for something that takes long.

Few are at work, because threads that compute keep the interpreter from each other, and from the event loop above all.
But a thread that waits is missing to everybody else: a crowd that logs in, or three calls that wait for a lock in the
database, would stop all of them. So a thread's place goes to another one, which is started for that, while it waits:

* one that knows that it will wait for long **stands aside**, and goes on when a place is free again;
* one that has waited for a while without a word is **relieved**; it ends without a place.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

import structlog
from flask import Flask

from webapp.config import settings

log = structlog.get_logger(__name__)

Result = TypeVar("Result")
Work = tuple["Future[Any]", Callable[[], Any]]

LATE_AFTER_S = 0.25
"""A thread that has waited for longer in one request, in s, whatever for, is late. Who computes for as long is not."""

LOOK_EVERY_S = 0.1
"""How often it is looked for late ones while something waits, in s."""


class Places:
    """So many places, given to those who wait for one in the order in which they came."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._waiting: deque[threading.Lock] = deque()
        self._lock = threading.Lock()

    def take(self) -> None:
        """Take a place; wait for one if there is none."""
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()  # Until somebody gives us theirs.

    def give(self) -> None:
        """Give the own place to who has waited longest."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1


class _Seat:
    """Where a thread is: since when at the present request, and whether one of the places is its."""

    def __init__(self) -> None:
        self._clock = time.pthread_getcpuclockid(threading.get_ident())
        self._began = self._cpu_s = 0.0
        self.has_place = self.is_relieved = False

    def sit_down(self) -> None:
        """Have a place, and begin to wait from now on."""
        self.has_place = True
        self._began, self._cpu_s = time.monotonic(), time.clock_gettime(self._clock)

    def waited_s(self) -> float:
        """Return for how long the thread has done nothing, in s."""
        return time.monotonic() - self._began - (time.clock_gettime(self._clock) - self._cpu_s)


class Threads(Executor):
    """The pool. Threads are started as they are needed, so that a process may be forked before the first request.

    `size` of them are at work, and at most `spare` more are at something late.
    """

    def __init__(self, size: int, spare: int = 0) -> None:
        self._size, self._spare = size, spare
        self._work: SimpleQueue[Work | None] = SimpleQueue()
        self._places = Places(size)
        self._lock = threading.Lock()
        self._started = self._surplus = self._relieved = 0
        self._here = threading.local()
        self._at_work: set[_Seat] = set()
        self._something_waits, self._ended = threading.Event(), threading.Event()

    def start(self) -> None:
        """Start all threads that will be needed: who submits from an event loop must not wait for that."""
        for _ in range(self._size - self._started):
            self._start_one_more()

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> "Future[Result]":
        """Have a thread call `fn` when one is free."""
        future: Future[Result] = Future()
        self._work.put((future, partial(fn, *args, **kwargs)))
        if self._started < self._size:
            self._start_one_more()
        if not self._something_waits.is_set():
            self._something_waits.set()
        return future

    @contextmanager
    def standing_aside(self) -> Iterator[None]:
        """Lend the place of this thread, if it has one, to another for as long as the block waits."""
        seat: _Seat | None = getattr(self._here, "seat", None)
        if seat is None or not self._lend(seat):
            yield
            return
        try:
            yield
        finally:
            self._places.take()
            with self._lock:
                seat.sit_down()
                self._surplus += 1  # Whoever is done next ends: our substitute, or somebody else.

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let each thread end after what it does. Waits for nobody and cancels nothing, whatever is asked."""
        self._ended.set()
        self._something_waits.set()
        self._work.put(None)

    def _start_one_more(self) -> None:
        with self._lock:
            if self._started == self._size:
                return
            self._started += 1
            self._start_thread()
            is_first = self._started == 1
        if is_first and self._spare:
            threading.Thread(target=self._watch, name="request-watch", daemon=True).start()

    def _watch(self) -> None:
        """Give the places of those that are late to others, while there is something to do for them."""
        while not self._ended.is_set():
            self._something_waits.wait()
            self._ended.wait(LOOK_EVERY_S)
            if self._work.empty():
                self._something_waits.clear()
            else:
                self._relieve()

    def _relieve(self) -> None:
        with self._lock:
            late = [seat for seat in self._at_work if seat.has_place and seat.waited_s() > LATE_AFTER_S]
            relieved = [seat for seat in late[: self._spare - self._relieved] if self._hand_over(seat)]
            for seat in relieved:
                seat.is_relieved = True
            self._relieved += len(relieved)
        for _ in relieved:
            self._places.give()

    def _lend(self, seat: _Seat) -> bool:
        """Give a thread's place to a new one. Says whether it had a place, and there is room for one more thread."""
        with self._lock:
            had_place = seat.has_place
            is_lent = had_place and self._hand_over(seat)
        if is_lent:
            self._places.give()
        elif had_place:
            log.warning("no_substitute")
        return is_lent

    def _hand_over(self, seat: _Seat) -> bool:
        """Start a substitute for who has a seat, if there is room for one in this process. Asked with the lock held."""
        try:
            self._start_thread()
        except RuntimeError:
            return False
        seat.has_place = False
        return True

    def _start_thread(self) -> None:
        # A process that ends without a shutdown, after an error, must not wait for threads that wait for work.
        threading.Thread(target=self._serve, name="request", daemon=True).start()

    def _serve(self) -> None:
        seat = self._here.seat = _Seat()
        while (work := self._work.get()) is not None:
            self._places.take()
            with self._lock:
                seat.sit_down()
                self._at_work.add(seat)
            _do(*work)
            del work  # It holds a request, and the next one may be long in coming.
            if self._leave(seat):
                return
        self._work.put(None)  # For the next one.

    def _leave(self, seat: _Seat) -> bool:
        """Give the place back, if it was not given to another, and say whether there is a thread too many."""
        with self._lock:
            self._at_work.discard(seat)
            is_surplus = seat.is_relieved or self._surplus > 0
            if seat.is_relieved:
                self._relieved -= 1
            else:
                self._surplus -= is_surplus
                seat.has_place = False
        if seat.is_relieved:
            log.warning("request_was_late", seconds=round(seat.waited_s(), 1))
        else:
            self._places.give()
        return is_surplus


def init_app(app: Flask) -> None:
    """Give `app` its threads. None is started yet."""
    given = settings(app)
    app.extensions["threads"] = Threads(given.web_threads, given.spare_threads)


def threads_of(app: Flask) -> Threads:
    """Return the threads of an application."""
    threads: Threads = app.extensions["threads"]
    return threads


def _do(future: "Future[Any]", work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
