"""Restarts under load: no request fails and no connection is reset, kept alive or fresh, and each ends in time."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from testbed import streaming
from testbed.api import Api
from testbed.callers import Callers
from testbed.driver import Driver
from testbed.fleet import Fleet
from testbed.raw import Raw, allow_for_many

ENDS_WITHIN_S = 10.0


@pytest.fixture
def run_web(tmp_path: Path, standing_fleet: Fleet) -> Iterator[Callable[..., Fleet]]:
    """Run a web process of a test's own, on the fleet's stores."""
    made: list[Fleet] = []

    def run(command: str = "exec gunicorn asgi:app", **environment: str) -> Fleet:
        stores = {name: standing_fleet.environment[name] for name in ("DATABASE_URL", "REDIS_URL")}
        made.append(Fleet(tmp_path, {**stores, **environment}, {"web": command}))
        made[-1].start("web")
        return made[-1]

    yield run
    for fleet in made:
        fleet.close()


@contextmanager
def called(fleet: Fleet, path: str) -> Iterator[Callers]:
    """Have clients call all the time; assert that nobody was failed, and that there were enough of them."""
    with Api(fleet.port) as api:
        driver = Driver.registered(api)
        session = driver.starts_a_drive()["id"]
        with Callers(fleet.port, f"/api/v1{path.format(session)}", driver.tokens["access_token"]) as callers:
            callers.wait_for(200, 30)
            yield callers
            callers.wait_for(callers.calls + 200, 30)
    assert callers.failures == []
    assert set(callers.statuses) == {200}


def workers(fleet: Fleet) -> set[int]:
    return {process.pid for process in fleet.children("web")}


@pytest.mark.parametrize("path", ["/sessions/{}", "/sessions?status=active"], ids=["hot", "by Flask"])
def test_a_reload_fails_nobody(run_web: Callable[..., Fleet], path: str) -> None:
    fleet = run_web()
    with called(fleet, path):
        for _ in range(2):
            before = workers(fleet)
            os.kill(fleet.pid("web"), signal.SIGHUP)
            fleet.wait(lambda gone=before: not gone & workers(fleet), 2 * ENDS_WITHIN_S, "web", "end its old workers")


def test_a_worker_that_is_told_to_end_fails_nobody_and_ends_in_time(run_web: Callable[..., Fleet]) -> None:
    fleet = run_web()
    with called(fleet, "/sessions/{}"):
        first = min(workers(fleet))
        os.kill(first, signal.SIGTERM)
        fleet.wait(lambda: first not in workers(fleet), ENDS_WITHIN_S, "web", "end its worker")


def test_workers_that_have_answered_enough_end_one_after_the_other_and_fail_nobody(
    run_web: Callable[..., Fleet],
) -> None:
    fleet = run_web(GUNICORN_CMD_ARGS="--max-requests 300 --max-requests-jitter 1")
    seen, fewest = workers(fleet), 2
    with called(fleet, "/sessions/{}"):
        deadline = time.monotonic() + 60
        while len(seen) < 4:
            assert time.monotonic() < deadline
            seen |= workers(fleet)
            fewest = min(fewest, len(workers(fleet)))
            time.sleep(0.02)
    assert fewest >= 1


def test_a_web_process_that_is_stopped_says_so_and_goes_on_until_routers_have_noticed(
    run_web: Callable[..., Fleet],
) -> None:
    fleet = run_web()
    with Api(fleet.port) as api:
        driver = Driver.registered(api)
        with Callers(fleet.port, "/api/v1/users/me", driver.tokens["access_token"]) as callers:
            callers.wait_for(200, 30)
            fleet.terminate("web")
            began = time.monotonic()
            fleet.wait(lambda: not is_ready(fleet), 2, "web", "say that it is not ready")
            while time.monotonic() - began < 3:
                assert callers.failures == []
                time.sleep(0.05)
            assert fleet.end_of("web", ENDS_WITHIN_S) == 0
    assert [failure for failure in callers.failures if "ConnectionRefused" not in failure] == []


def is_ready(fleet: Fleet) -> bool:
    with Api(fleet.port) as api:
        return api.call("GET", "/health/ready").status == 200


def test_a_web_process_of_flask_alone_is_given_the_door(run_web: Callable[..., Fleet]) -> None:
    fleet = run_web("exec gunicorn wsgi:app", WEB_CONCURRENCY="1")
    with called(fleet, "/sessions/{}"):
        pass


def test_a_thousand_open_streams_hinder_nothing_and_are_told_to_come_back(run_web: Callable[..., Fleet]) -> None:
    fleet = run_web("exec gunicorn testbed.streaming:app", WEB_CONCURRENCY="1")
    request = f"GET {streaming.PATH} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    allow_for_many()
    streams = [Raw(fleet.port, timeout_s=30) for _ in range(1000)]
    try:
        for stream in streams:
            stream.send(request)
        for stream in streams:
            assert streaming.FIRST in stream.read_some()
        with called(fleet, "/sessions/{}") as callers:
            pass
        assert callers.slowest_s < 1
        (worker,) = fleet.children("web")
        fleet.terminate("web")
        began = time.monotonic()
        for stream in streams:
            assert streaming.LAST in stream.read_to_the_end()
        assert fleet.end_of("web", ENDS_WITHIN_S) == 0
        assert time.monotonic() - began < ENDS_WITHIN_S
        assert not psutil.pid_exists(worker.pid)
    finally:
        for stream in streams:
            stream.close()
