"""The rules of a drive, as a client meets them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import update

from tests.people import Person
from webapp.clock import rfc3339, utcnow
from webapp.extensions import db
from webapp.models import DrivingSession
from worker.upkeep import close_abandoned_sessions

START = "2026-01-05T08:00:00.000Z"


def ahead(**delta: float) -> str:
    return str(rfc3339(datetime.now(UTC) + timedelta(**delta)))


def set_row(app: Flask, session_id: str, **values: Any) -> None:
    """Move a drive in the server's time."""
    with app.app_context():
        statement = update(DrivingSession).where(DrivingSession.id == session_id).values(**values)
        db.session.execute(statement, execution_options={"changes_nothing_cached": True})
        db.session.commit()


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


def test_readings_are_accepted_for_a_day_after_the_end_and_then_refused(app: Flask, alice: Person) -> None:
    session = alice.starts_a_drive(started_at=START)
    path = f"/sessions/{session['id']}"
    alice.post(f"{path}/end", json={"ended_at": "2026-01-05T08:10:00Z"})
    late = [{"seq": n, "t": f"2026-01-05T08:00:0{n}Z", "speed_mps": 20} for n in range(2)]
    receipt = alice.post(f"{path}/readings", json={"readings": late})
    assert (receipt.json["accepted"], receipt.json["session_version"]) == (2, 3)
    assert alice.get(path).json["summary"]["distance_m"] == 20.0
    assert alice.get(path).json["summary"]["status"] == "final"

    set_row(app, session["id"], closed_at=utcnow() - timedelta(hours=24, seconds=1))
    refused = alice.post(f"{path}/readings", json={"readings": late})
    assert (refused.status_code, refused.json["code"]) == (409, "session_closed")


def test_a_receipt_tells_of_each_reading(alice: Person) -> None:
    session = alice.starts_a_drive(started_at=START)
    readings = [
        {"seq": 5, "t": "2026-01-05T08:00:05Z"},
        {"seq": 6, "t": "2026-01-05T07:54:59Z"},
        {"seq": 7, "t": ahead(minutes=6)},
        {"seq": 5, "t": "2026-01-05T08:00:05Z"},
        {"seq": 2, "t": "2026-01-05T08:00:02Z"},
    ]
    receipt = alice.post(f"/sessions/{session['id']}/readings", json={"readings": readings}).json
    assert (receipt["accepted"], receipt["duplicates"], receipt["last_seq"]) == (2, 1, 5)
    assert receipt["rejected"] == [
        {"index": 1, "seq": 6, "code": "before_the_start"},
        {"index": 2, "seq": 7, "code": "too_far_in_the_future"},
    ]
    shown = alice.get(f"/sessions/{session['id']}").json
    assert (shown["readings_count"], shown["last_seq"]) == (2, 5)
    assert (shown["version"], shown["last_reading_at"]) == (receipt["session_version"], "2026-01-05T08:00:05.000Z")


def test_a_batch_of_repeats_changes_nothing(alice: Person) -> None:
    session = alice.starts_a_drive(started_at=START)
    body = {"readings": [{"seq": 0, "t": "2026-01-05T08:00:00Z", "speed_mps": 3}]}
    path = f"/sessions/{session['id']}"
    alice.post(f"{path}/readings", json=body)
    before = alice.get(path).json
    again = alice.post(f"{path}/readings", json=body)
    assert (again.json["accepted"], again.json["duplicates"]) == (0, 1)
    assert alice.get(path).json == before


def test_a_clock_that_jumped_gives_the_same_summary_as_the_readings_in_order(alice: Person) -> None:
    def drive(order: list[int], client: Person) -> Any:
        session = client.starts_a_drive(started_at=START)
        # Sequence numbers of two blocks whose times interleave: the second block's clock was set back.
        readings = [
            {
                "seq": n,
                "t": f"2026-01-05T08:{(n % 300) // 60:02d}:{n % 60:02d}.{n // 300}00Z",
                "speed_mps": (n * 7) % 30,
            }
            for n in range(600)
        ]
        shuffled = [readings[n] for n in order]
        for start in range(0, len(shuffled), 97):
            client.post(f"/sessions/{session['id']}/readings", json={"readings": shuffled[start : start + 97]})
        client.post(f"/sessions/{session['id']}/end")
        return client.get(f"/sessions/{session['id']}").json["summary"]

    in_order = drive(list(range(600)), alice)
    assert in_order == drive(list(range(599, -1, -1)), alice)
    assert in_order["distance_m"] > 0


def test_a_list_is_newest_first_filtered_and_paged(alice: Person) -> None:
    ids = []
    for day in range(1, 6):
        session = alice.starts_a_drive(started_at=f"2026-01-0{day}T08:00:00Z", notes="long", device={"os": "x"})
        alice.post(f"/sessions/{session['id']}/end", json={"ended_at": f"2026-01-0{day}T09:00:00Z"})
        ids.insert(0, session["id"])
    first = alice.get("/sessions?limit=2").json
    assert [row["id"] for row in first["data"]] == ids[:2]
    assert first["has_more"] is True
    second = alice.get(f"/sessions?limit=2&cursor={first['next_cursor']}").json
    third = alice.get(f"/sessions?limit=2&cursor={second['next_cursor']}").json
    assert [row["id"] for row in second["data"] + third["data"]] == ids[2:]
    assert (third["next_cursor"], third["has_more"]) == (None, False)
    assert not {"notes", "device"} & first["data"][0].keys()
    within = alice.get("/sessions?from=2026-01-02T00:00:00Z&to=2026-01-04T00:00:00%2B00:00").json["data"]
    assert [row["id"] for row in within] == ids[2:4]
    assert alice.get("/sessions?status=active").json["data"] == []
    assert alice.get(f"/sessions?updated_since={ahead(hours=1)}").json["data"] == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "status=parked", "from=today", "cursor=x", "page=2"]
)
def test_a_wrong_filter_is_told(alice: Person, query: str) -> None:
    answer = alice.get(f"/sessions?{query}")
    assert (answer.status_code, error_of(answer)) == (422, f"/{query.partition('=')[0]}")


def test_the_first_page_is_cached_and_never_behind(alice: Person) -> None:
    session = alice.starts_a_drive(name="one")
    assert alice.get("/sessions").headers["Cache-Status"] == "session-cache; fwd=miss"
    assert alice.get("/sessions").headers["Cache-Status"] == "session-cache; hit"
    alice.patch(f"/sessions/{session['id']}", json={"name": "two"})
    assert alice.get("/sessions").json["data"][0]["name"] == "two"
