"""The threads that answer requests: so many at work at the same time, however many wait for something that takes long.

A thread that waits for a password to be hashed would be missing to everybody else: a crowd that logs in would stop all
reads. Such a thread stands aside. It gives its place to another one, which is started for that, and goes on when a
place is free again. So what is bounded by the number of threads stays bounded: connections to the database and to
Redis, and how many share the interpreter.
"""

import threading
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

    def __enter__(self) -> None:
        self.take()

    def __exit__(self, *_: object) -> None:
        self.give()


class Threads(Executor):
    """The pool. Threads are started as they are needed, so that a process may be forked before the first request."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._work: SimpleQueue[Work | None] = SimpleQueue()
        self._places = Places(size)
        self._lock = threading.Lock()
        self._started = 0
        self._surplus = 0
        self._here = threading.local()

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> "Future[Result]":
        """Have a thread call `fn` when one is free."""
        future: Future[Result] = Future()
        self._work.put((future, partial(fn, *args, **kwargs)))
        if self._started < self._size:
            self._start_one_more()
        return future

    @contextmanager
    def standing_aside(self) -> Iterator[None]:
        """Lend the place of this thread, if it has one, to another for as long as the block waits."""
        if not hasattr(self._here, "has_place") or not self._has_substitute():
            yield
            return
        self._places.give()
        try:
            yield
        finally:
            self._places.take()
            with self._lock:
                self._surplus += 1  # Whoever is done next ends: our substitute, or somebody else.

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let each thread end after what it does. Waits for nobody and cancels nothing, whatever is asked."""
        self._work.put(None)

    def _start_one_more(self) -> None:
        with self._lock:
            if self._started < self._size:
                self._started += 1
                self._start_thread()

    def _has_substitute(self) -> bool:
        """Start one more thread, if there is room for one in this process."""
        try:
            self._start_thread()
        except RuntimeError as error:
            log.warning("no_substitute", error=str(error))
            return False
        return True

    def _start_thread(self) -> None:
        # A process that ends without a shutdown, after an error, must not wait for threads that wait for work.
        threading.Thread(target=self._serve, name="request", daemon=True).start()

    def _serve(self) -> None:
        self._here.has_place = True
        while (work := self._work.get()) is not None:
            with self._places:
                _do(*work)
            del work  # It holds a request, and the next one may be long in coming.
            if self._surplus and self._is_surplus():
                return
        self._work.put(None)  # For the next one.

    def _is_surplus(self) -> bool:
        with self._lock:
            if not self._surplus:
                return False
            self._surplus -= 1
            return True


def init_app(app: Flask) -> None:
    """Give `app` its threads. None is started yet."""
    app.extensions["threads"] = Threads(settings(app).web_threads)


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
