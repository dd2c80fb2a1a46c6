"""Celery is a hint: whatever becomes of its messages, the database holds all that is to be done."""

import redis

from embedded.valkey import Valkey
from testbed.driver import Driver, expect
from testbed.fleet import Fleet
from tests.e2e.conftest import RECONCILE_INTERVAL_S
from tests.e2e.waiting import is_cached, wait_until_cached
from webapp.cache import keys
from webapp.driving.cached_lists import SESSION_LISTS
from webapp.jobs import QUEUES

TAKEN = ("unacked", "unacked_index")
"""Where Celery's transport keeps the messages that a worker has taken and not yet done."""

OUTAGES = 4
CHANGES_UNDER_WAY = 10
RECONNECTED_WITHIN_S = 20.0

MARGIN_S = 4.0
"""For beat to find its rhythm and the worker its queue, on a busy machine, in s."""


def test_a_change_whose_warm_message_is_lost_is_found_by_the_reconciler(
    fleet: Fleet, cached: redis.Redis, alice: Driver
) -> None:
    session = alice.starts_a_drive()
    wait_until_cached(cached, alice.id, 1, kind=SESSION_LISTS)
    fleet.stop("worker", "beat")

    ended = expect(200, alice.call("POST", f"/sessions/{session['id']}/end", {})).json
    assert cached.sismember(keys.WARM_DUE, SESSION_LISTS.key(alice.id))
    cached.delete(keys.WARM_DUE, keys.WARM_SCHEDULED, *QUEUES, *TAKEN)
    assert not is_cached(cached, alice.id, 2, SESSION_LISTS)

    fleet.ensure("worker", "beat")
    wait_until_cached(cached, alice.id, 2, within_s=RECONCILE_INTERVAL_S + MARGIN_S, kind=SESSION_LISTS)
    assert alice.call("GET", "/sessions").json["data"][0]["status"] == ended["status"]


def test_the_worker_goes_on_when_one_of_its_children_is_killed(
    fleet: Fleet, cached: redis.Redis, alice: Driver
) -> None:
    session = alice.starts_a_drive()
    wait_until_cached(cached, alice.id, 1, kind=SESSION_LISTS)
    before = {child.pid for child in fleet.children("worker")}
    for child in fleet.children("worker"):
        child.kill()
    fleet.wait(
        lambda: (now := {child.pid for child in fleet.children("worker")}) and not now & before,
        10,
        "worker",
        "replace its children",
    )
    expect(200, alice.call("POST", f"/sessions/{session['id']}/end", {}))
    wait_until_cached(cached, alice.id, 2, within_s=10, kind=SESSION_LISTS)


def test_the_worker_and_beat_outlive_a_broker_that_dies_with_messages_under_way(
    fleet: Fleet, fleet_valkey: Valkey, cached: redis.Redis, alice: Driver
) -> None:
    version = 0
    for _ in range(OUTAGES):
        for _ in range(CHANGES_UNDER_WAY // 2):
            version = starts_and_ends_a_drive(alice, version)
        fleet_valkey.kill()
        expect(200, alice.call("GET", "/sessions"))
        fleet_valkey.start()
        version = starts_and_ends_a_drive(alice, version)
        wait_until_cached(cached, alice.id, version, within_s=RECONNECTED_WITHIN_S, kind=SESSION_LISTS)
        for name in ("worker", "beat"):
            assert fleet.is_running(name), f"{name} did not outlive it"


def starts_and_ends_a_drive(driver: Driver, version: int) -> int:
    """Change the list twice, and return its version."""
    expect(200, driver.call("POST", f"/sessions/{driver.starts_a_drive()['id']}/end", {}))
    return version + 2
