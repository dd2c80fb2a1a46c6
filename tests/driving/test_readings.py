"""What becomes of readings: late, repeated, out of order, out of bounds."""

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import func, select

from testbed.people import PASSWORD, Person
from tests.driving.long_drives import compacted
from tests.driving.rows import set_row
from webapp.clock import rfc3339, utcnow
from webapp.database import db
from webapp.models import DrivingSession, ReadingSums

START = "2026-01-05T08:00:00.000Z"


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
        {"seq": 7, "t": rfc3339(datetime.now(UTC) + timedelta(minutes=6))},
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


def test_a_clock_that_was_set_back_adds_no_time_and_no_distance(alice: Person) -> None:
    session = alice.starts_a_drive(started_at=START)
    seconds = ["00.000", "01.000", "02.000", "03.000", "01.500", "05.000"]
    readings = [
        {"seq": n, "t": f"2026-01-05T08:00:{s}Z", "speed_mps": 40 if n == 4 else 10} for n, s in enumerate(seconds)
    ]
    alice.post(f"/sessions/{session['id']}/readings", json={"readings": readings})

    shown = alice.get(f"/sessions/{session['id']}").json
    assert shown["readings_count"] == 6
    summary = shown["summary"]
    assert (summary["duration_s"], summary["moving_s"], summary["distance_m"]) == (5.0, 5.0, 50.0)


def test_a_deleted_account_leaves_no_sums(app: Flask, alice: Person) -> None:
    session = alice.starts_a_drive(started_at=START)
    readings = [{"seq": n * 256, "t": START, "speed_mps": 3} for n in range(16)]
    alice.post(f"/sessions/{session['id']}/readings", json={"readings": readings})
    with app.app_context():
        compacted(session["id"])
        assert db.session.scalar(select(func.count()).select_from(ReadingSums)) == 1

    assert alice.delete("/users/me", json={"password": PASSWORD}).status_code == 204
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(ReadingSums)) == 0
        assert db.session.get_one(DrivingSession, session["id"]).sums is None


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
