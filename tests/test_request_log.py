"""The line of each request: written soon, whole, and by whoever answered, without a request waiting for it."""

import io
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog
from flask import Flask

from webapp.logs import RequestLog, json_line

CHECKOUT = Path(__file__).resolve().parent.parent


class Written(io.StringIO):
    """A standard error that keeps each write apart."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return len(text)


@pytest.fixture
def log() -> RequestLog:
    return RequestLog()


def redirected(monkeypatch: pytest.MonkeyPatch) -> Written:
    """Take the place of standard error. In the test itself: the test runner replaces it after the fixtures."""
    written = Written()
    monkeypatch.setattr(sys, "stderr", written)
    return written


def note(log: RequestLog, request_id: str = "an-id", path: str = "/api/v1/users/me") -> None:
    log.add(json_line, "GET", path, 200, time.perf_counter() - 0.0123, request_id)


def lines(written: Written) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in "".join(written.writes).splitlines()]


def test_a_line_is_written_soon_although_no_other_request_comes(
    log: RequestLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = redirected(monkeypatch)
    before = time.time()
    note(log)
    deadline = time.monotonic() + 5
    while not written.writes:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (line,) = lines(written)
    assert 12.3 <= line.pop("duration_ms") < 1000
    at = line.pop("timestamp")
    assert time.strftime("%Y-%m-%dT%H:%M", time.gmtime(before)) <= at[:16] and len(at) == 24 and at.endswith("Z")
    assert line == {
        "event": "request",
        "level": "info",
        "method": "GET",
        "path": "/api/v1/users/me",
        "status": 200,
        "request_id": "an-id",
    }


def test_where_no_line_waits_nothing_is_written(log: RequestLog, monkeypatch: pytest.MonkeyPatch) -> None:
    written = redirected(monkeypatch)
    log.flush()
    assert not written.writes


def test_no_write_is_longer_than_a_pipe_takes_at_once_and_no_line_is_cut(
    log: RequestLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = redirected(monkeypatch)
    for number in range(200):
        note(log, str(number))
    log.flush()
    assert [line["request_id"] for line in lines(written)] == [str(number) for number in range(200)]
    assert len(written.writes) > 1
    assert all(len(text) <= select.PIPE_BUF and text.endswith("\n") for text in written.writes)


def test_no_request_waits_for_a_reader_that_does_not_keep_up_and_what_is_lost_is_counted(
    log: RequestLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = redirected(monkeypatch)
    log.WRITE_AFTER_S = 60.0  # type: ignore[misc]
    log.MAX_WAITING = 10  # type: ignore[misc]
    with structlog.testing.capture_logs() as told:
        for number in range(13):
            note(log, str(number))
        log.flush()
    assert [line["request_id"] for line in lines(written)] == [str(number) for number in range(10)]
    assert told == [{"event": "request_lines_lost", "count": 3, "log_level": "warning"}]


def test_a_request_is_answered_although_standard_error_is_gone(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    monkeypatch.setattr(RequestLog, "MAX_WAITING", 0)
    assert app.test_client().get("/health/live").status_code == 200


def run(code: str) -> list[str]:
    """Run a program that uses `log`; return the ids of the requests in its standard error."""
    begin = "import os, time\nfrom webapp.logs import json_line, request_log as log\n"
    ended = subprocess.run([sys.executable, "-c", begin + code], cwd=CHECKOUT, capture_output=True, check=True)
    return sorted(orjson.loads(line)["request_id"] for line in ended.stderr.splitlines())


def test_what_waits_when_a_process_ends_is_written() -> None:
    assert run("log.add(json_line, 'GET', '/', 200, 0.0, 'last')") == ["last"]


def test_a_forked_child_writes_its_own_lines_and_leaves_its_parents_to_the_parent() -> None:
    code = """
log.add(json_line, 'GET', '/', 200, 0.0, 'parent')
if os.fork() == 0:
    log.add(json_line, 'GET', '/', 200, 0.0, 'child')
    time.sleep(1)
    os._exit(0)  # No handler of the interpreter's end: the child's own thread must have written it.
os.wait()
"""
    assert run(code) == ["child", "parent"]
