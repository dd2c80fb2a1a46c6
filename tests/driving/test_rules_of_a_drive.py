"""The rules of a drive, as a client meets them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from testbed.people import Person
from tests.driving.rows import set_row
from webapp.clock import rfc3339, utcnow
from worker.tasks import close_abandoned_sessions

START = "2026-01-05T08:00:00.000Z"


def ahead(**delta: float) -> str:
    return str(rfc3339(datetime.now(UTC) + timedelta(**delta)))


def error_of(answer: Any) -> str:
    assert answer.content_type == "application/problem+json"
    return str(answer.json["errors"][0]["pointer"])


def test_a_drive_begins_active_with_a_location_and_an_etag(alice: Person) -> None:
    answer = alice.post("/sessions", json={"name": "To work", "tags": ["commute"], "vehicle": {"make": "VW"}})
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/v1/sessions/{answer.json['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert (answer.json["status"], answer.json["version"], answer.json["tags"]) == ("active", 1, ["commute"])
    assert alice.get("/sessions/active").json == answer.json


def test_a_second_active_drive_is_refused_with_the_id_of_the_first(alice: Person) -> None:
    first = alice.starts_a_drive()
    answer = alice.post("/sessions")
    assert (answer.status_code, answer.json["code"]) == (409, "session_already_active")
    assert answer.json["session_id"] == first["id"]


def test_a_repeated_client_session_id_returns_the_same_session(alice: Person, bob: Person) -> None:
    body = {"client_session_id": str(uuid4())}
    first = alice.starts_a_drive(**body)
    assert alice.starts_a_drive(**body) == first
    alice.post(f"/sessions/{first['id']}/end")
    assert alice.starts_a_drive(**body)["id"] == first["id"], "also after the end"
    assert bob.starts_a_drive(**body)["id"] != first["id"], "it is unique per driver"


def test_an_idempotency_key_gives_the_same_answer_and_does_the_work_once(alice: Person) -> None:
    headers = {"Idempotency-Key": "start-1"}
    first = alice.post("/sessions", json={"name": "once"}, headers=headers)
    again = alice.post("/sessions", json={"name": "once"}, headers=headers)
    assert (first.status_code, first.data) == (201, again.data)
    assert (again.status_code, again.headers["ETag"]) == (201, first.headers["ETag"])
    other = alice.post("/sessions", json={"name": "twice"}, headers=headers)
    assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")
    assert len(alice.get("/sessions").json["data"]) == 1


@pytest.mark.parametrize(
    "started_at", ["2026-01-05T08:00:00", "yesterday", 1767600000, "2026-13-05T08:00:00Z", "0001-01-01T00:00:00+14:00"]
)
def test_a_start_that_is_no_time_with_an_offset_is_refused(alice: Person, started_at: Any) -> None:
    answer = alice.post("/sessions", json={"started_at": started_at})
    assert (answer.status_code, error_of(answer)) == (422, "/started_at")


def test_a_start_may_lie_in_the_past_but_not_in_the_future(alice: Person) -> None:
    assert alice.post("/sessions", json={"started_at": ahead(minutes=6)}).status_code == 422
    assert alice.starts_a_drive(started_at="2020-02-29T12:00:00+02:00")["started_at"] == "2020-02-29T10:00:00.000Z"


def test_a_change_raises_the_version_and_no_change_does_not(alice: Person) -> None:
    session = alice.starts_a_drive(name="a", vehicle={"make": "VW"})
    same = alice.patch(f"/sessions/{session['id']}", json={"name": "a"})
    assert (same.status_code, same.json) == (200, session)
    changed = alice.patch(f"/sessions/{session['id']}", json={"name": None, "notes": "wet road"})
    assert (changed.json["version"], changed.json["name"], changed.json["notes"]) == (2, None, "wet road")
    assert changed.json["vehicle"] == {"make": "VW"}, "what is left out stays"
    assert changed.headers["ETag"] == '"2"'


def test_if_match_with_another_version_is_refused_and_changes_nothing(alice: Person) -> None:
    path = f"/sessions/{alice.starts_a_drive(name='a')['id']}"
    stale, fresh = {"If-Match": '"7"'}, {"If-Match": '"1"'}
    assert alice.patch(path, json={"name": "b"}, headers=stale).status_code == 412
    assert alice.post(f"{path}/end", headers=stale).status_code == 412
    assert alice.delete(path, headers=stale).status_code == 412
    assert alice.get(path).json["name"] == "a"
    assert alice.patch(path, json={"name": "b"}, headers=fresh).status_code == 200
    assert alice.delete(path, headers={"If-Match": "*"}).status_code == 204


def test_an_ended_drive_stays_ended_and_answers_the_same(alice: Person) -> None:
    path = f"/sessions/{alice.starts_a_drive(started_at=START)['id']}"
    early = alice.post(f"{path}/end", json={"ended_at": "2026-01-05T07:59:59Z"})
    assert (early.status_code, error_of(early)) == (422, "/ended_at")
    ended = alice.post(f"{path}/end", json={"ended_at": "2026-01-05T09:00:00Z"})
    assert (ended.json["status"], ended.json["end_reason"]) == ("completed", "client")
    assert (ended.json["ended_at"], ended.json["summary"]["status"]) == ("2026-01-05T09:00:00.000Z", "final")
    assert alice.post(f"{path}/end").json == ended.json
    assert alice.get("/sessions/active").json["code"] == "no_active_session"
    assert alice.post("/sessions").status_code == 201, "the next drive may begin"


def test_a_deleted_drive_is_gone_from_everywhere(alice: Person) -> None:
    session = alice.starts_a_drive()
    path = f"/sessions/{session['id']}"
    alice.get(path)
    assert alice.delete(path).status_code == 204
    for answer in (alice.get(path), alice.get(path), alice.patch(path, json={}), alice.delete(path)):
        assert (answer.status_code, answer.json["code"]) == (404, "session_not_found")
    assert alice.get("/sessions").json["data"] == []
    assert alice.get("/sessions/active").status_code == 404


def test_bob_sees_and_changes_nothing_of_alices(alice: Person, bob: Person) -> None:
    session = alice.starts_a_drive()
    path = f"/sessions/{session['id']}"
    readings = {"readings": [{"seq": 0, "t": session["started_at"]}]}
    for answer in (
        bob.get(path),
        bob.patch(path, json={"name": "mine"}),
        bob.post(f"{path}/end"),
        bob.post(f"{path}/readings", json=readings),
        bob.delete(path),
    ):
        assert (answer.status_code, answer.json["code"]) == (404, "session_not_found")
    assert alice.get(path).json == session
    assert bob.get("/sessions").json["data"] == []


def test_a_drive_without_contact_for_15_minutes_is_abandoned(app: Flask, alice: Person, bob: Person) -> None:
    silent, lively = alice.starts_a_drive(started_at=START), bob.starts_a_drive()
    readings = {"readings": [{"seq": 0, "t": "2026-01-05T08:07:00Z", "speed_mps": 1.0}]}
    alice.post(f"/sessions/{silent['id']}/readings", json=readings)
    with app.app_context():
        close_abandoned_sessions()
    assert alice.get(f"/sessions/{silent['id']}").json["status"] == "active", "it was heard of just now"

    set_row(app, silent["id"], last_contact_at=utcnow() - timedelta(minutes=15, seconds=1))
    with app.app_context():
        close_abandoned_sessions()
    closed = alice.get(f"/sessions/{silent['id']}").json
    assert (closed["status"], closed["end_reason"]) == ("abandoned", "timeout")
    assert closed["ended_at"] == closed["last_reading_at"] == "2026-01-05T08:07:00.000Z"
    assert bob.get(f"/sessions/{lively['id']}").json["status"] == "active"


def test_a_contact_that_changes_nothing_keeps_a_drive_alive(app: Flask, alice: Person) -> None:
    session = alice.starts_a_drive(name="a")
    set_row(app, session["id"], last_contact_at=utcnow() - timedelta(minutes=16))
    assert alice.patch(f"/sessions/{session['id']}", json={"name": "a"}).json["version"] == 1
    with app.app_context():
        close_abandoned_sessions()
    assert alice.get(f"/sessions/{session['id']}").json["status"] == "active"
