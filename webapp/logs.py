"""Logs: one line per event, with fields. JSON in production, readable in development. Never a token or a password."""

import atexit
import logging
import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import orjson
import structlog
from flask import Flask

from webapp.config import Settings, settings

log = structlog.get_logger(__name__)


class Answered(NamedTuple):
    """What is told of a request that was answered. `at` is in s since 1970."""

    method: str
    path: str
    status: int
    duration_s: float
    at: float
    request_id: str


Form = Callable[[Answered, str], str]
"""Writes a line of a request, given its timestamp."""


class RequestLog:
    """The lines of requests. A thread writes them, many at once, at most `WRITE_AFTER_S` after the answer.

    A line written at once, with the caches of the processor cold, costs 5 % of a cached read; in a batch next to
    nothing. A process that is told to stop writes what waits; one that is killed with SIGKILL or crashes loses it.
    """

    WRITE_AFTER_S = 0.2
    MAX_WAITING = 10_000
    """More lines than this are not kept for a reader that does not read. No request waits for it: the event loop would
    stand still with all others. How many were lost is told when it reads again.
    """

    def __init__(self) -> None:
        self._begin()
        os.register_at_fork(after_in_child=self._begin)
        atexit.register(self.flush)

    def _begin(self) -> None:
        """Begin empty. A forked child has no thread, and the waiting lines are its parent's to write."""
        self._waiting: deque[tuple[Form, Answered]] = deque()
        self._due = threading.Event()
        self._writing, self._starting = threading.Lock(), threading.Lock()
        self._writer: threading.Thread | None = None
        self._second = (0, "")
        self._lost = 0

    def add(self, form: Form, method: str, path: str, status: int, started: float, request_id: str) -> None:
        """Take note of an answer that is ready. `started` is a `time.perf_counter()`."""
        duration_s = time.perf_counter() - started
        if len(self._waiting) >= self.MAX_WAITING:
            self._lost += 1
            return
        self._waiting.append((form, Answered(method, path, status, duration_s, time.time(), request_id)))
        if not self._due.is_set():
            self._due.set()
            self._start_writer()

    def flush(self) -> None:
        """Write the lines that wait. To a pipe that several processes share, no write is longer than is atomic."""
        with self._writing:
            chunk = ""
            while self._waiting:
                form, answered = self._waiting.popleft()
                line = form(answered, self._timestamp(answered.at))
                if len(chunk) + len(line) > select.PIPE_BUF:
                    _write(chunk)
                    chunk = ""
                chunk += line
            if chunk:
                _write(chunk)
        if self._lost:
            lost, self._lost = self._lost, 0
            with suppress(OSError, ValueError):
                log.warning("request_lines_lost", count=lost)

    def _start_writer(self) -> None:
        with self._starting:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_when_due, name="request-log", daemon=True)
                self._writer.start()

    def _write_when_due(self) -> None:
        while True:
            self._due.wait()
            time.sleep(self.WRITE_AFTER_S)
            self._due.clear()  # Before the lines are taken: one that comes from now on is due again.
            self.flush()

    def _timestamp(self, at: float) -> str:
        """Write a time as RFC 3339 does, in UTC, to the millisecond; the whole second once for all its requests."""
        whole, text = self._second
        if whole != int(at):
            whole, text = self._second = int(at), time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
        return f"{text}.{int((at - whole) * 1000):03d}Z"


def json_line(answered: Answered, timestamp: str) -> str:
    """Write the line of a request as JSON."""
    fields = {
        "event": "request",
        "level": "info",
        "timestamp": timestamp,
        "method": answered.method,
        "path": answered.path,
        "status": answered.status,
        "duration_ms": round(answered.duration_s * 1000, 2),
        "request_id": answered.request_id,
    }
    return orjson.dumps(fields).decode() + "\n"


def text_line(answered: Answered, timestamp: str) -> str:
    """Write the line of a request for people."""
    method, path, status, duration_s, _, request_id = answered
    written = f"{method} {ascii(path)[1:-1]} {status} {round(duration_s * 1000, 2)} ms request_id={request_id}"
    return f"{timestamp} [info     ] request {written}\n"


def line_form(given: Settings) -> Form | None:
    """Return how the lines of requests are written under these settings, None if they are not."""
    if _level(given) > logging.INFO:
        return None
    return json_line if given.app_env == "production" else text_line


def _level(given: Settings) -> int:
    return logging.getLevelNamesMapping()[given.log_level]


def _write(text: str) -> None:
    # Standard error may be closed, or its reader gone: then there is nowhere left to say so, and requests go on.
    with suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()


request_log = RequestLog()


def init_app(app: Flask) -> None:
    """Send the logs to standard error. A process writes them in one form: the last application's."""
    is_json = settings(app).app_env == "production"
    renderer: Any = structlog.processors.JSONRenderer() if is_json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_level(settings(app))),
        # Looked up for each line: whoever replaces standard error, as a test runner does, gets the lines from then on.
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
