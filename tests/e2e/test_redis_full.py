"""A full Redis takes no message of beat's; what is behind in the cache is repaired all the same."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
import redis

from testbed.driver import Driver, expect
from testbed.fleet import Fleet
from tests.e2e.conftest import RECONCILE_INTERVAL_S
from tests.e2e.waiting import wait_until_cached
from webapp.cache import keys

BEHIND_THE_BACK = "UPDATE driving_sessions SET name = 'new', version = version + 1, updated_at = now() WHERE id = %s"
PATIENCE_S = 3 * RECONCILE_INTERVAL_S
MARGIN_S = 5.0
"""For a busy machine, in s."""


@pytest.fixture
def full(cached: redis.Redis) -> Iterator[Callable[[], None]]:
    """Return what fills the fleet's Redis up, until the end of the test."""

    def fill() -> None:
        cached.config_set("maxmemory", "1mb")
        with pytest.raises(redis.OutOfMemoryError):
            cached.lpush("a message", "of beat's")

    yield fill
    cached.config_set("maxmemory", "0")


def test_what_is_behind_is_repaired_while_redis_is_full(
    fleet: Fleet, cached: redis.Redis, fleet_database_url: str, alice: Driver, full: Callable[[], None]
) -> None:
    session = alice.starts_a_drive(name="old")
    path = f"/sessions/{session['id']}"
    wait_until_cached(cached, session["id"], session["version"])
    full()
    with psycopg.connect(fleet_database_url.replace("postgresql+psycopg", "postgresql")) as connection:
        connection.execute(BEHIND_THE_BACK, (session["id"],))
    read = expect(200, alice.call("GET", path))
    assert (read.cache_status, read.json["name"]) == ("hit", "old"), "nobody has told Redis"

    def is_repaired() -> bool:
        return expect(200, alice.call("GET", path)).json["name"] == "new"

    fleet.wait(is_repaired, PATIENCE_S + RECONCILE_INTERVAL_S + MARGIN_S, "worker", "repair it")
    assert fleet.is_running("worker") and fleet.is_running("beat")


def test_the_clock_stands_back_while_beat_asks(fleet: Fleet, cached: redis.Redis) -> None:
    fleet.wait(
        lambda: cached.pttl(keys.RECONCILED) > 2 * RECONCILE_INTERVAL_S * 1000, 30, "worker", "do what beat asks"
    )
    before = len(fleet.log("worker"))
    for _ in range(3):
        fleet.wait(
            lambda: cached.pttl(keys.RECONCILED) < 2.5 * RECONCILE_INTERVAL_S * 1000, 10, "worker", "let time pass"
        )
        fleet.wait(
            lambda: cached.pttl(keys.RECONCILED) > 2.5 * RECONCILE_INTERVAL_S * 1000, 10, "worker", "be asked again"
        )
    assert "reconciled_unasked" not in fleet.log("worker")[before:]


def test_without_beat_the_worker_reconciles_by_itself(fleet: Fleet, cached: redis.Redis) -> None:
    fleet.stop("beat")
    before = len(fleet.log("worker"))

    def is_told_twice() -> bool:
        return fleet.log("worker")[before:].count("reconciled_unasked") >= 2

    fleet.wait(is_told_twice, PATIENCE_S + 3 * RECONCILE_INTERVAL_S + MARGIN_S, "worker", "reconcile by itself")
