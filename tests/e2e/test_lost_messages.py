"""Celery is a hint: whatever becomes of its messages, the database holds all that is to be done."""

import redis

from embedded.valkey import Valkey
from testbed.driver import Driver, expect
from testbed.fleet import Fleet
from tests.e2e.conftest import RECONCILE_INTERVAL_S
from tests.e2e.waiting import is_cached, wait_until_cached
from webapp.cache import keys
from webapp.driving.cached_sessions import SESSIONS
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
    session = alice.starts_a_drive(name="Before")
    wait_until_cached(cached, session["id"], session["version"])
    fleet.stop("worker", "beat")

    changed = expect(200, alice.call("PATCH", f"/sessions/{session['id']}", {"name": "After"})).json
    assert cached.sismember(keys.WARM_DUE, SESSIONS.key(session["id"]))
    cached.delete(keys.WARM_DUE, keys.WARM_SCHEDULED, *QUEUES, *TAKEN)
    assert not is_cached(cached, session["id"], changed["version"])

    fleet.ensure("worker", "beat")
    wait_until_cached(cached, session["id"], changed["version"], within_s=RECONCILE_INTERVAL_S + MARGIN_S)
    read = alice.call("GET", f"/sessions/{session['id']}")
    assert read.json == changed


def test_the_worker_goes_on_when_one_of_its_children_is_killed(
    fleet: Fleet, cached: redis.Redis, alice: Driver
) -> None:
    session = alice.starts_a_drive()
    wait_until_cached(cached, session["id"], session["version"])
    before = {child.pid for child in fleet.children("worker")}
    for child in fleet.children("worker"):
        child.kill()
    fleet.wait(
        lambda: (now := {child.pid for child in fleet.children("worker")}) and not now & before,
        10,
        "worker",
        "replace its children",
    )
    changed = expect(200, alice.call("PATCH", f"/sessions/{session['id']}", {"name": "After"})).json
    wait_until_cached(cached, session["id"], changed["version"], within_s=10)


def test_the_worker_and_beat_outlive_a_broker_that_dies_with_messages_under_way(
    fleet: Fleet, fleet_valkey: Valkey, cached: redis.Redis, alice: Driver
) -> None:
    path = f"/sessions/{alice.starts_a_drive()['id']}"
    for outage in range(OUTAGES):
        for number in range(CHANGES_UNDER_WAY):
            changed = expect(200, alice.call("PATCH", path, {"name": f"{outage}, {number}"})).json
        fleet_valkey.kill()
        expect(200, alice.call("GET", path))
        fleet_valkey.start()
        changed = expect(200, alice.call("PATCH", path, {"name": f"After {outage}"})).json
        wait_until_cached(cached, changed["id"], changed["version"], within_s=RECONNECTED_WITHIN_S)
        for name in ("worker", "beat"):
            assert fleet.is_running(name), f"{name} did not outlive it"
