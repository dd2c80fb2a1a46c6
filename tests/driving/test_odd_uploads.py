"""Uploads that somebody thought up: names given twice, times that are none, drives that are hard to put away."""

import json
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from testbed.people import Person
from webapp import jobs
from webapp.cache import fills
from webapp.cache.unnoted import NOT_NOTICED
from webapp.database import db
from webapp.driving import compaction, session_rows, sessions
from webapp.driving.cached_sessions import SESSIONS
from webapp.models import AppendedReadings, DrivingSession
from webapp.readings.chunks import CHUNK_SEQS
from worker.tasks import compact_due

START = "2026-01-05T08:00:00Z"
READING = '"t":"2026-01-05T08:00:00Z"'


def uploads(driver: Person, session_id: str, text: str) -> Any:
    return driver.post(f"/sessions/{session_id}/readings", data=text, content_type="application/json")


@pytest.fixture
def session_id(alice: Person) -> str:
    return str(alice.starts_a_drive(started_at=START)["id"])


@pytest.mark.parametrize(
    "reading",
    [
        '{"seq":1,"seq":2,%s}',
        '{"seq" :1,"seq":2,%s}',
        '{"seq":1,"seq" :2,%s}',
        '{"seq"\t:1, "perclos":0, "perclos" \n: 0,%s}',
        '{"seq":1,"t":"2026-01-05T07:59:59Z",%s}',
    ],
)
def test_a_name_that_is_given_twice_is_refused_however_it_is_written(
    alice: Person, session_id: str, reading: str
) -> None:
    answer = uploads(alice, session_id, f'{{"readings":[{reading % READING}]}}')
    assert (answer.status_code, answer.json["code"]) == (400, "malformed_json")


@pytest.mark.parametrize("body", ['{ "readings" : [ {"seq" : 1 , %s } ] }', '{"readings":[{"seq":1,"lat":null,%s}]}'])
def test_a_body_may_be_written_with_spaces(alice: Person, session_id: str, body: str) -> None:
    assert uploads(alice, session_id, body % READING).json["accepted"] == 1


@pytest.mark.parametrize("time", ["2026-01-05T08:00:00+05:99", "2026-01-05T08:00:00-00:60", "2026-01-05T24:00:00Z"])
def test_a_time_is_refused_alike_wherever_it_stands(alice: Person, session_id: str, time: str) -> None:
    reading = uploads(alice, session_id, json.dumps({"readings": [{"seq": 1, "t": time}]}))
    end = alice.post(f"/sessions/{session_id}/end", json={"ended_at": time})
    assert (reading.status_code, end.status_code) == (422, 422)
    assert reading.json["errors"][0]["code"] == end.json["errors"][0]["code"]


def test_a_drive_of_scattered_blocks_is_put_away_a_few_at_a_time(
    app: Flask, alice: Person, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One transaction for all of them was more than PostgreSQL takes, and no later one took less."""
    monkeypatch.setattr(jobs, "compact_readings", lambda _session_id: None)
    far, apart = 2**52, (2**52 // 2000) // CHUNK_SEQS * CHUNK_SEQS
    batches = [[0], [far], [5], *([far + (16 * n + k + 1) * apart for k in range(16)] for n in range(85))]
    for seqs in batches:
        body = {"readings": [{"seq": seq, "t": START} for seq in seqs]}
        answer = alice.post(f"/sessions/{session_id}/readings", json=body)
        assert (answer.status_code, answer.json["accepted"]) == (200, len(seqs))
    late = alice.post(f"/sessions/{session_id}/readings", json={"readings": [{"seq": 6, "t": START}]})
    assert (late.status_code, late.json["accepted"]) == (200, 1)
    shown = alice.get(f"/sessions/{session_id}").json
    assert shown["readings_count"] == sum(map(len, batches)) + 1


def test_a_drive_that_cannot_be_read_does_not_keep_the_worker_from_others(
    app: Flask, alice: Person, bob: Person
) -> None:
    ids = sorted(str(driver.starts_a_drive(started_at=START)["id"]) for driver in (alice, bob))
    for driver in (alice, bob):
        own = driver.get("/sessions/active").json["id"]
        readings = [{"seq": seq, "t": START} for seq in range(300)]
        assert driver.post(f"/sessions/{own}/readings", json={"readings": readings}).status_code == 200
    with app.app_context():
        db.session.execute(update(AppendedReadings).where(AppendedReadings.session_id == ids[0]).values(data=b"?"))
        db.session.commit()
        compact_due()
        assert compaction.due(10) == [ids[0]]


def test_a_drive_whose_sums_were_lost_is_put_away_all_the_same(app: Flask, alice: Person, session_id: str) -> None:
    readings = [{"seq": seq, "t": START} for seq in range(300)]
    alice.post(f"/sessions/{session_id}/readings", json={"readings": readings})
    with app.app_context():
        lost = update(DrivingSession).where(DrivingSession.id == session_id).values(sums=None)
        db.session.execute(lost, execution_options=NOT_NOTICED)
        db.session.commit()
        compact_due()
        assert compaction.due(10) == []


def test_a_row_that_outlived_its_savepoint_is_not_published(app: Flask, alice: Person, session_id: str) -> None:
    with app.app_context():
        row = sessions.locked(alice.id, session_id)
        savepoint = db.session.begin_nested()
        session_rows.write(row, {"name": "rolled back"})
        savepoint.rollback()
        session_rows.write(row, {"notes": "kept"})
        db.session.commit()
        assert fills.get(SESSIONS, session_id)[0] == fills.load(SESSIONS, session_id)
