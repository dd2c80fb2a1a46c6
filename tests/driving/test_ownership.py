"""Alice owns, Bob must see nothing: for Bob a drive of Alice's is one that never was, byte for byte, hot or cold."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from testbed.people import Person
from tests.shared.answers import assert_problem, without_what_differs
from webapp.cache.fills import load
from webapp.cache.redis import Cache
from webapp.clock import rfc3339, utcnow
from webapp.database import db
from webapp.driving.cached_sessions import SESSIONS
from webapp.models import DrivingSession

READINGS = {"readings": [{"seq": 0, "t": "2026-01-05T08:00:00Z", "speed_mps": 9.0}]}
CALLS: dict[str, Callable[[Person, str], object]] = {
    "GET": lambda bob, id: bob.get(f"/sessions/{id}"),
    "GET if none match": lambda bob, id: bob.get(f"/sessions/{id}", headers={"If-None-Match": '"1"'}),
    "GET if none match *": lambda bob, id: bob.get(f"/sessions/{id}", headers={"If-None-Match": "*"}),
    "GET from a browser": lambda bob, id: bob.get(f"/sessions/{id}", headers={"Origin": "http://a.example"}),
    "HEAD": lambda bob, id: bob.call("HEAD", f"/sessions/{id}"),
    "PATCH": lambda bob, id: bob.patch(f"/sessions/{id}", json={"name": "Bob's"}),
    "PATCH nothing": lambda bob, id: bob.patch(f"/sessions/{id}", json={}),
    "PATCH if match": lambda bob, id: bob.patch(f"/sessions/{id}", json={"name": "x"}, headers={"If-Match": '"99"'}),
    "DELETE": lambda bob, id: bob.delete(f"/sessions/{id}"),
    "DELETE if match": lambda bob, id: bob.delete(f"/sessions/{id}", headers={"If-Match": '"99"'}),
    "POST end": lambda bob, id: bob.post(f"/sessions/{id}/end"),
    "POST end, earlier": lambda bob, id: bob.post(f"/sessions/{id}/end", json={"ended_at": "2020-01-01T00:00:00Z"}),
    "POST readings": lambda bob, id: bob.post(f"/sessions/{id}/readings", json=READINGS),
}


def cold(app: Flask, cache: Cache, alice: Person, bob: Person, id: str) -> None:
    cache.client.flushall()


def warm(app: Flask, cache: Cache, alice: Person, bob: Person, id: str) -> None:
    for _ in range(2):
        alice.get(f"/sessions/{id}")


def warm_with_bob_remembered(app: Flask, cache: Cache, alice: Person, bob: Person, id: str) -> None:
    warm(app, cache, alice, bob, id)
    own = bob.starts_a_drive()["id"]
    for _ in range(2):
        bob.get(f"/sessions/{own}")


def asked_for_by_bob_before(app: Flask, cache: Cache, alice: Person, bob: Person, id: str) -> None:
    for _ in range(2):
        bob.get(f"/sessions/{id}")


def without_redis(app: Flask, cache: Cache, alice: Person, bob: Person, id: str) -> None:
    cache.trust.doubt(ConnectionError(), operation="test")


STATES = (cold, warm, warm_with_bob_remembered, asked_for_by_bob_before, without_redis)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__.replace("_", " "))
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_drive_of_alices_is_for_bob_one_that_never_was(
    app: Flask,
    cache: Cache,
    alice: Person,
    bob: Person,
    call: Callable[[Person, str], object],
    state: Callable[..., None],
) -> None:
    deleted_of_alices, deleted_of_bobs = deleted(alice), deleted(bob)
    alices = alice.starts_a_drive(name="secret")["id"]
    before = row(app, alices)
    state(app, cache, alice, bob, alices)
    never = str(uuid4())
    expected = without_what_differs(call(bob, never))
    assert expected[0] == 404
    ids = [alices, deleted_of_alices, deleted_of_bobs, never, alices.upper(), f"{{{alices}}}", "x", alices[:-1]]
    for id in ids:
        assert without_what_differs(call(bob, id)) == expected, id
    assert row(app, alices) == before


def deleted(person: Person) -> str:
    id = str(person.starts_a_drive()["id"])
    assert person.delete(f"/sessions/{id}").status_code == 204
    return id


def row(app: Flask, id: str) -> object:
    with app.app_context():
        found = load(SESSIONS, id)
        db.session.remove()
        return found


def test_bobs_refusals_are_cached_for_bob_only(alice: Person, bob: Person) -> None:
    path = f"/sessions/{alice.starts_a_drive()['id']}"
    for _ in range(3):
        assert bob.get(path).status_code == 404
        assert alice.get(path).status_code == 200


def test_what_is_cached_as_missing_appears_once_it_is_made(
    app: Flask, alice: Person, bob: Person, cache: Cache
) -> None:
    made = alice.starts_a_drive()
    never = str(uuid4())
    for _ in range(2):
        assert alice.get(f"/sessions/{never}").status_code == 404
    with app.app_context():
        drive = db.session.scalar(select(DrivingSession).where(DrivingSession.id == made["id"]))
        db.session.add(
            DrivingSession(
                id=never,
                user_id=alice.id,
                status="completed",
                summary=drive.summary,
                started_at=utcnow() - timedelta(1),
            )
        )
        db.session.commit()
        db.session.remove()
    assert cache.client.exists(SESSIONS.key(never))
    assert alice.get(f"/sessions/{never}").status_code == 200
    assert bob.get(f"/sessions/{never}").status_code == 404


def test_lists_hold_the_own_drives_only(alice: Person, bob: Person) -> None:
    alice.starts_a_drive(name="secret")
    mine = bob.starts_a_drive(name="mine")["id"]
    for query in ("", "?limit=100", "?status=active", f"?from={rfc3339(utcnow() - timedelta(1))}"):
        for _ in range(2):
            assert [row["id"] for row in bob.get(f"/sessions{query}").json["data"]] == [mine]


def test_the_active_drive_is_the_own_one(alice: Person, bob: Person) -> None:
    alice.starts_a_drive()
    assert_problem(bob.get("/sessions/active"), 404, code="no_active_session")


def test_a_client_session_id_is_everybodys_own(alice: Person, bob: Person) -> None:
    shared = str(uuid4())
    hers, his = alice.starts_a_drive(client_session_id=shared), bob.starts_a_drive(client_session_id=shared)
    assert hers["id"] != his["id"]
    assert his["user_id"] == bob.id


def test_the_conflict_of_an_active_drive_names_the_own_one(alice: Person, bob: Person) -> None:
    alice.starts_a_drive()
    mine = bob.starts_a_drive()["id"]
    problem = assert_problem(bob.post("/sessions", json={}), 409, code="session_already_active")
    assert problem["session_id"] == mine


@pytest.mark.parametrize("write", ["PATCH", "DELETE"])
def test_bob_does_not_wait_for_a_lock_on_alices_drive(app: Flask, alice: Person, bob: Person, write: str) -> None:
    path = f"/sessions/{alice.starts_a_drive()['id']}"
    with app.app_context(), db.engine.connect() as writer:
        writer.execute(select(DrivingSession.id).where(DrivingSession.user_id == alice.id).with_for_update())
        assert_problem(bob.call(write, path, json={"name": "x"}), 404, code="session_not_found")


@pytest.mark.parametrize("path", ["/admin/users", "/admin/users?limit=1"])
def test_drivers_do_not_list_users(alice: Person, path: str) -> None:
    assert_problem(alice.get(path), 403, code="admin_only")


def test_drivers_change_no_users_and_learn_of_none(alice: Person, bob: Person) -> None:
    answers = [bob.patch(f"/admin/users/{id}", json={"role": "admin"}) for id in (alice.id, bob.id, str(uuid4()), "x")]
    assert len({without_what_differs(answer)[1] for answer in answers}) == 1
    assert_problem(answers[0], 403, code="admin_only")
