"""A drive that falls silent is closed by the worker, once, and gives way to the next one."""

import psycopg
import redis

from testbed.driver import Driver, expect
from testbed.fleet import Fleet
from tests.e2e.tasks import send
from tests.e2e.waiting import wait_until_cached
from webapp import jobs

SILENT = "UPDATE driving_sessions SET last_contact_at = now() - interval '16 minutes' WHERE id = %s"


def fall_silent(database_url: str, session_id: str) -> None:
    """Let a drive's last contact lie 16 minutes back, as the server's clock tells it."""
    with psycopg.connect(database_url.replace("postgresql+psycopg", "postgresql")) as connection:
        connection.execute(SILENT, (session_id,))


def test_a_silent_drive_is_abandoned_and_no_longer_stands_in_the_way_of_the_next(
    fleet: Fleet, fleet_database_url: str, alice: Driver
) -> None:
    session = alice.starts_a_drive()
    path = f"/sessions/{session['id']}"
    refused = expect(409, alice.call("POST", "/sessions", {})).json
    assert (refused["code"], refused["session_id"]) == ("session_already_active", session["id"])

    fall_silent(fleet_database_url, session["id"])
    send(fleet, jobs.CLOSE_ABANDONED_SESSIONS)
    fleet.wait(lambda: alice.call("GET", path).json["status"] != "active", 10, "worker", "close the drive")
    closed = alice.call("GET", path).json
    assert (closed["status"], closed["end_reason"]) == ("abandoned", "timeout")
    assert closed["ended_at"] == session["started_at"]
    assert closed["version"] == session["version"] + 1
    assert alice.starts_a_drive()["status"] == "active"


def test_a_drive_that_was_heard_of_stays_active(fleet: Fleet, fleet_database_url: str, alice: Driver) -> None:
    bob = Driver.registered(alice.api)
    of_alice, of_bob = alice.starts_a_drive(), bob.starts_a_drive()
    for session in (of_alice, of_bob):
        fall_silent(fleet_database_url, session["id"])
    alice.call("PATCH", f"/sessions/{of_alice['id']}", {"name": "Still here"})
    send(fleet, jobs.CLOSE_ABANDONED_SESSIONS)
    path = f"/sessions/{of_bob['id']}"
    fleet.wait(lambda: bob.call("GET", path).json["status"] == "abandoned", 10, "worker", "close Bob's drive")
    assert alice.call("GET", f"/sessions/{of_alice['id']}").json["status"] == "active"


def test_two_beats_and_repeated_tasks_do_each_job_once(
    fleet: Fleet, fleet_database_url: str, cached: redis.Redis, alice: Driver
) -> None:
    before = {name: len(fleet.log(name)) for name in ("worker", "beat")}
    second_schedule = str(fleet.folder / "second-celerybeat-schedule")
    fleet.start("beat", name="second beat", CELERYBEAT_SCHEDULE_FILENAME=second_schedule)
    session = alice.starts_a_drive()
    fall_silent(fleet_database_url, session["id"])
    for task in (jobs.CLOSE_ABANDONED_SESSIONS, jobs.RECONCILE, jobs.REFRESH_AHEAD, jobs.PURGE_EXPIRED):
        send(fleet, task, times=4)
    wait_until_cached(cached, session["id"], session["version"] + 1, within_s=10)
    fleet.wait(lambda: cached.llen(jobs.PERIODIC_QUEUE) == 0, 10, "worker", "do all tasks")

    closed = alice.call("GET", f"/sessions/{session['id']}").json
    assert (closed["status"], closed["version"]) == ("abandoned", session["version"] + 1)
    assert fleet.stop("second beat") == [0]
    for name in ("worker", "beat", "second beat"):
        assert "Traceback" not in fleet.log(name)[before.get(name, 0) :]
