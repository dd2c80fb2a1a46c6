"""Logs: one line per event, with fields. JSON in production, readable in development. Never a token or a password."""

import logging
import sys
import time
from typing import Any

import orjson
import structlog

from webapp.config import Settings

_access = {"written": False, "json": False}


_second = (0, "")
"""The present second, and how it is written: made once, for all requests of that second."""


def _timestamp() -> str:
    """Return the time in UTC as RFC 3339 writes it, to the millisecond."""
    global _second
    now = time.time()
    whole, text = _second
    if whole != int(now):
        whole, text = _second = int(now), time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    return f"{text}.{int((now - whole) * 1000):03d}Z"


def log_request(method: str, path: str, status: int, started: float, request_id: str) -> None:
    """Write the line of one request. `started` is a `time.perf_counter()`.

    Every request writes one, so it is put together by hand: structlog's chain takes longer than a cached read.
    """
    if not _access["written"]:
        return
    duration_ms = round((time.perf_counter() - started) * 1000, 2)
    at = _timestamp()
    if _access["json"]:
        line = orjson.dumps(
            {
                "event": "request",
                "level": "info",
                "timestamp": at,
                "method": method,
                "path": path,
                "status": status,
                "duration_ms": duration_ms,
                "request_id": request_id,
            }
        ).decode()
    else:
        line = (
            f"{at} [info     ] request {method} {ascii(path)[1:-1]} {status} {duration_ms} ms request_id={request_id}"
        )
    sys.stderr.write(line + "\n")


def configure_logs(settings: Settings) -> None:
    """Send the logs of this process to standard error, in the form for its environment."""
    _access.update(
        written=logging.getLevelNamesMapping()[settings.log_level] <= logging.INFO,
        json=settings.app_env == "production",
    )
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings.app_env == "production"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level]),
        # Looked up for each line: whoever replaces standard error, as a test runner does, gets the lines from then on.
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
