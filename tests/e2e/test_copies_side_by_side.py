"""The run command: everything on one machine from one process, as often as there are ports and folders."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.ports import free_port
from testbed.api import Api
from testbed.driver import Driver, expect
from testbed.fleet import STOP_TIMEOUT_S
from tests.embedded.family import Run, survivors

SMALL = {"WEB_CONCURRENCY": "1", "WORKER_CONCURRENCY": "1", "LOG_LEVEL": "WARNING"}


@pytest.fixture
def copies(tmp_path: Path) -> Iterator[list[tuple[Run, int]]]:
    """Two copies, each with its port, started side by side without a database or a Redis of ours."""
    given = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    started: list[tuple[Run, int]] = []
    for name in ("one", "other"):
        port = free_port()
        environment = {**given, **SMALL, "PORT": str(port), "VAR_DIR": str(tmp_path / name)}
        started.append((Run([sys.executable, "-m", "embedded"], environment), port))
    yield started
    for run, _ in started:
        run.close()


def test_two_copies_run_side_by_side_and_stop_in_time_leaving_nothing(copies: list[tuple[Run, int]]) -> None:
    for run, port in copies:
        assert f"http://127.0.0.1:{port}" in run.read_until("Ready at")
    [(_, port), (_, other_port)] = copies
    with Api(port) as api, Api(other_port) as other:
        alice = Driver.registered(api)
        session = alice.starts_a_drive()
        expect(200, alice.call("GET", f"/sessions/{session['id']}"))
        expect(401, alice.call("GET", f"/sessions/{session['id']}", api=other))

    families = [process for run, _ in copies for process in run.family()]
    asked_at = time.monotonic()
    for run, _ in copies:
        run.send(signal.SIGTERM)
    assert [run.finish() for run, _ in copies] == [0, 0]
    assert time.monotonic() - asked_at < STOP_TIMEOUT_S
    assert survivors(families) == []
