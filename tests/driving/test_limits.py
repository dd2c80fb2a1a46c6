"""What one account may do: so many starts, so many readings, so many blocks, and documents that stay small."""

from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.hostile.applications import believing, closed
from tests.people import Person
from webapp import create_app
from webapp.config import Settings
from webapp.driving import readings
from webapp.driving.chunks import CHUNK_SEQS
from webapp.driving.documents import MAX_DOCUMENT_BYTES, OF_THE_SERVER_BYTES

START = "2026-01-05T08:00:00.000Z"
MakeDriver = Callable[..., Person]


@pytest.fixture
def driver_with(app: Flask, settings: Settings) -> Iterator[MakeDriver]:
    """Make drivers of applications with other settings."""
    made = []

    def make(**changed: object) -> Person:
        made.append(believing(create_app(settings.model_copy(update=changed))))
        return Person.registered(made[-1], "carol@example.com")

    yield make
    for further in made:
        closed(further)


def reading(seq: int, second: int = 0) -> dict[str, Any]:
    return {"seq": seq, "t": f"2026-01-05T08:{second // 60:02d}:{second % 60:02d}Z", "speed_mps": 10}


def uploads(person: Person, session: dict[str, Any], seqs: list[int]) -> TestResponse:
    return person.post(f"/sessions/{session['id']}/readings", json={"readings": [reading(seq) for seq in seqs]})


def rejected(answer: TestResponse) -> list[int]:
    assert {each["code"] for each in answer.json["rejected"]} <= {"seq_out_of_range"}
    return [each["seq"] for each in answer.json["rejected"]]


def assert_limited(answer: TestResponse, policy: str) -> None:
    assert (answer.status_code, answer.json["code"]) == (429, "rate_limited")
    assert answer.headers["RateLimit-Policy"] == policy
    assert answer.headers["RateLimit"].startswith(policy.partition(";")[0])
    assert int(answer.headers["Retry-After"]) > 0


# Sequence numbers


def test_a_batch_touches_at_most_16_blocks(alice: Person) -> None:
    session = alice.starts_a_drive(started_at=START)
    seqs = [n * CHUNK_SEQS for n in range(1000)]
    answer = uploads(alice, session, seqs)

    assert answer.json["accepted"] == 16
    assert rejected(answer) == seqs[16:]
    assert answer.json["last_seq"] == 15 * CHUNK_SEQS
    assert uploads(alice, session, seqs[16:18]).json["accepted"] == 2, "another batch may go on"


def test_a_batch_is_rejected_by_reading_and_in_order(alice: Person) -> None:
    session = alice.starts_a_drive(started_at=START)
    seqs = [2**53 - 1 - n * CHUNK_SEQS for n in range(17)]
    batch = [reading(seqs[16]) | {"t": "2025-01-01T00:00:00Z"}, *(reading(seq) for seq in seqs), reading(seqs[3] - 1)]
    receipt = alice.post(f"/sessions/{session['id']}/readings", json={"readings": batch}).json

    assert receipt["accepted"] == 17
    assert [(each["index"], each["code"]) for each in receipt["rejected"]] == [
        (0, "before_the_start"),
        (17, "seq_out_of_range"),
    ]


def test_a_drive_touches_at_most_20000_blocks(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (readings.MAX_BLOCKS_OF_BATCH, readings.MAX_BLOCKS_OF_DRIVE) == (16, 20_000)
    monkeypatch.setattr(readings, "MAX_BLOCKS_OF_DRIVE", 20)
    session = alice.starts_a_drive(started_at=START)
    uploads(alice, session, [n * CHUNK_SEQS for n in range(16)])

    answer = uploads(alice, session, [n * CHUNK_SEQS for n in range(15, 31)])
    assert (answer.json["accepted"], answer.json["duplicates"]) == (4, 1)
    assert rejected(answer) == [n * CHUNK_SEQS for n in range(20, 31)]
    assert uploads(alice, session, [5 * CHUNK_SEQS + 1, 19 * CHUNK_SEQS + 1]).json["accepted"] == 2, "there is room"
    assert rejected(uploads(alice, session, [40 * CHUNK_SEQS])) == [40 * CHUNK_SEQS]


# Rates


def test_starts_are_limited_by_account(driver_with: MakeDriver, alice: Person) -> None:
    carol = driver_with(ratelimit_starts_per_account="2/hour")
    for _ in range(2):
        carol.post(f"/sessions/{carol.starts_a_drive()['id']}/end")
    refused = carol.post("/sessions", json={"name": "one too many"})

    assert_limited(refused, '"starts";q=2;w=3600')
    assert len(carol.get("/sessions").json["data"]) == 2
    assert carol.get("/sessions/active").status_code == 404
    alice.starts_a_drive()


def test_a_start_that_is_repeated_or_refused_counts_for_nothing(driver_with: MakeDriver) -> None:
    carol = driver_with(ratelimit_starts_per_account="2/hour")
    body = {"client_session_id": "01890000-0000-7000-8000-000000000000"}
    once = {"Idempotency-Key": "k1"}
    first = carol.post("/sessions", json=body, headers=once)
    for _ in range(3):
        assert carol.post("/sessions", json=body, headers=once).json == first.json
        assert carol.post("/sessions", json=body).json["id"] == first.json["id"]
        assert carol.post("/sessions", json={}).status_code == 409
    carol.post(f"/sessions/{first.json['id']}/end")

    carol.starts_a_drive()


def test_all_readings_of_an_account_are_counted_also_repeated_and_rejected_ones(
    driver_with: MakeDriver, alice: Person
) -> None:
    carol = driver_with(ratelimit_readings_per_account="100/day")
    session = carol.starts_a_drive(started_at=START)
    for seqs in ([0] * 30, [0] * 30, [n * CHUNK_SEQS for n in range(40)]):
        assert uploads(carol, session, seqs).status_code == 200
    refused = uploads(carol, session, [1])

    assert_limited(refused, '"readings";q=100;w=86400')
    assert carol.get(f"/sessions/{session['id']}").json["readings_count"] == 16
    assert uploads(alice, alice.starts_a_drive(started_at=START), [1]).status_code == 200


# Documents


LARGEST = {
    "notes of 4,000 letters": {"notes": "x" * 4_000},
    "notes of 4,000 Chinese characters": {"notes": "路" * 4_000},
    "20 tags of 50 Chinese characters": {"tags": ["路" * 49 + chr(0x4E00 + n) for n in range(20)]},
    "a device and a vehicle": {"vehicle": {"a": "x" * 4_000}, "device": {"a": "x" * 4_000}},
}
TOO_LARGE = {
    "notes of 4,000 emoji": ({"notes": "🚗" * 4_000}, "/notes"),
    "notes of 4,000 control characters": ({"notes": "\u0001" * 4_000}, "/notes"),
    "notes and a device": ({"notes": "路" * 4_000, "device": {"a": "x" * 4_000}}, "/notes"),
    "tags and a vehicle": ({"tags": ["x" * 50] * 20, "vehicle": {"a": "x" * 4_000}}, "/vehicle"),
    "tags of emoji": ({"tags": ["🚗" * 50] * 20, "name": "🚗" * 200}, "/tags"),
}


@pytest.mark.parametrize("fields", LARGEST.values(), ids=LARGEST.keys())
def test_a_document_of_up_to_16_kib_is_kept(alice: Person, fields: dict[str, Any]) -> None:
    session = alice.starts_a_drive(**fields)
    assert {name: session[name] for name in fields} == fields
    assert len(alice.get(f"/sessions/{session['id']}").data) <= MAX_DOCUMENT_BYTES


@pytest.mark.parametrize(("fields", "pointer"), TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_a_larger_document_is_refused_by_its_bytes_and_nothing_is_lost(
    alice: Person, fields: dict[str, Any], pointer: str
) -> None:
    refused = alice.post("/sessions", json=fields)
    assert (refused.status_code, refused.json["code"]) == (422, "validation_failed")
    assert [(each["pointer"], each["code"]) for each in refused.json["errors"]] == [(pointer, "document_too_large")]

    changeable = {name: value for name, value in fields.items() if name != "device"}
    device = {name: value for name, value in fields.items() if name == "device"}
    session = alice.starts_a_drive(name="To work", **device)
    before = alice.get(f"/sessions/{session['id']}").json
    assert alice.patch(f"/sessions/{session['id']}", json=changeable).json["errors"][0]["pointer"] == pointer
    assert alice.get(f"/sessions/{session['id']}").json == before


def test_a_document_that_was_too_large_before_may_change_and_shrink(alice: Person, monkeypatch: Any) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("webapp.driving.documents.BOUNDS", ())
        session = alice.starts_a_drive(notes="🚗" * 4_000)
    path = f"/sessions/{session['id']}"

    assert alice.patch(path, json={"name": "longer than null"}).status_code == 422
    assert alice.patch(path, json={"notes": "🚗" * 3_990, "name": "x"}).status_code == 200
    assert alice.patch(path, json={"notes": None, "name": "longer"}).status_code == 200


def test_what_the_server_writes_into_a_document_has_its_room(alice: Person) -> None:
    session = alice.starts_a_drive(client_session_id="01890000-0000-7000-8000-000000000000", started_at=START)
    huge = 2**63 - 1
    summary = dict.fromkeys(session["summary"], -1.7976931348623157e308) | {"status": "final"}
    document = {name: START if value is None else value for name, value in session.items()}
    document |= {"version": huge, "last_seq": huge, "readings_count": huge, "end_reason": "timeout", "summary": summary}
    document |= {"status": "abandoned"} | dict.fromkeys(("name", "notes", "tags", "vehicle", "device"))
    assert len(orjson.dumps(document)) <= OF_THE_SERVER_BYTES


def test_a_page_of_a_hundred_of_the_largest_rows_is_small(driver_with: MakeDriver) -> None:
    carol = driver_with(ratelimit_starts_per_account="1000/hour")
    row = {"notes": "x" * 4_000, "device": {"a": "x" * 4_000}, "vehicle": {"a": "x" * 4_000}}
    for _ in range(100):
        carol.post(f"/sessions/{carol.starts_a_drive(**row)['id']}/end")
    page = carol.get("/sessions?limit=100")
    assert len(page.json["data"]) == 100
    assert len(page.data) < 100 * 5 * 1024
