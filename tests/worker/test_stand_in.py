"""The worker's clock runs the reconciler when beat does not ask for it, once for all processes, and only then."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from redis import RedisError

from webapp.cache import keys
from webapp.cache.redis import Cache
from worker import stand_in, tasks


class Runs:
    """Stands in for the reconciler, and counts its runs."""

    def __init__(self) -> None:
        self.count = 0
        self.error: Exception | None = None
        self.ran = threading.Semaphore(0)

    def __call__(self) -> None:
        self.count += 1
        self.ran.release()
        if self.error is not None:
            raise self.error


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    runs = Runs()
    monkeypatch.setattr(stand_in, "reconcile", runs)
    return runs


@pytest.fixture
def started(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[stand_in.StandIn]:
    """A stand-in that looks all the time."""
    monkeypatch.setattr(stand_in, "PATIENCE", 0)
    settings = app.config["SETTINGS"].model_copy(update={"reconcile_interval_s": 0.01})
    monkeypatch.setitem(app.config, "SETTINGS", settings)
    started = stand_in.StandIn(lambda: app)
    started.start()
    yield started
    started.stop()


def test_it_runs_when_nobody_did_lately(app: Flask, runs: Runs) -> None:
    with app.app_context():
        assert stand_in.reconcile_if_due()
        assert not stand_in.reconcile_if_due(), "it has just run"
    assert runs.count == 1


def test_it_does_not_run_while_beat_asks(app: Flask, runs: Runs, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.comparison, "reconcile", lambda: None)
    with app.app_context():
        tasks.reconcile()
        assert not stand_in.reconcile_if_due()
    patience_ms = stand_in.PATIENCE * app.config["SETTINGS"].reconcile_interval_s * 1000
    assert patience_ms - 1000 < cache.client.pttl(keys.RECONCILED) <= patience_ms
    assert runs.count == 0


def test_its_own_run_keeps_the_next_one_waiting_for_less_than_an_interval(app: Flask, runs: Runs, cache: Cache) -> None:
    with app.app_context():
        stand_in.reconcile_if_due()
    assert 0 < cache.client.pttl(keys.RECONCILED) < app.config["SETTINGS"].reconcile_interval_s * 1000


def test_one_of_many_processes_runs_it(app: Flask, runs: Runs) -> None:
    meeting = threading.Barrier(8)

    def look(_: int) -> bool:
        with app.app_context():
            meeting.wait()
            return stand_in.reconcile_if_due()

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(look, range(8))) == runs.count == 1


@pytest.mark.parametrize("error", [RedisError(), RuntimeError()], ids=["Redis away", "a defect"])
def test_a_run_that_failed_does_not_stop_the_stand_in(runs: Runs, error: Exception, started: stand_in.StandIn) -> None:
    assert runs.ran.acquire(timeout=10)
    runs.error = error
    for _ in range(3):
        assert runs.ran.acquire(timeout=10)


def test_a_stand_in_that_was_stopped_ends(runs: Runs, started: stand_in.StandIn) -> None:
    assert runs.ran.acquire(timeout=10)
    [thread] = [thread for thread in threading.enumerate() if thread.name == "stand-in"]
    assert thread.daemon, "a process that ends does not wait for it"
    started.stop()
    thread.join(timeout=10)
    assert not thread.is_alive()
