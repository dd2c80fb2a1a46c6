"""What one account may do: so many starts, so many readings, so many blocks."""

from collections.abc import Iterable
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

from testbed.people import Person
from tests.driving.makers import MakeDriver
from webapp.auth import logins
from webapp.driving import intake
from webapp.driving.limits import cost_of
from webapp.readings.chunks import CHUNK_SEQS

START = "2026-01-05T08:00:00.000Z"


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
    assert (intake.MAX_BLOCKS_OF_BATCH, intake.MAX_BLOCKS_OF_DRIVE) == (16, 20_000)
    monkeypatch.setattr(intake, "MAX_BLOCKS_OF_DRIVE", 20)
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
    early = [{"seq": seq, "t": "2025-01-05T08:00:00Z"} for seq in range(40)]
    assert uploads(carol, session, [0] * 30).json["duplicates"] == 29
    assert uploads(carol, session, [0] * 30).json["duplicates"] == 30
    assert len(carol.post(f"/sessions/{session['id']}/readings", json={"readings": early}).json["rejected"]) == 40
    refused = uploads(carol, session, [1])

    assert_limited(refused, '"readings";q=100;w=86400')
    assert carol.get(f"/sessions/{session['id']}").json["readings_count"] == 1
    assert uploads(alice, alice.starts_a_drive(started_at=START), [1]).status_code == 200


def test_a_batch_counts_as_many_readings_as_it_costs() -> None:
    def cost(seqs: Iterable[int]) -> int:
        return cost_of([{"seq": seq} for seq in seqs])

    assert cost(range(10)) == 10
    assert cost(range(250, 260)) == 10, "two blocks, in order"
    assert cost(range(200, 1200)) == 1000, "five blocks, in order"
    assert cost(n * CHUNK_SEQS for n in range(16)) == 14 * CHUNK_SEQS
    assert cost(n * CHUNK_SEQS for n in range(1000)) == 14 * CHUNK_SEQS, "those beyond 16 are rejected"


def test_a_batch_that_is_too_large_for_what_is_left_takes_nothing_of_it(driver_with: MakeDriver) -> None:
    carol = driver_with(ratelimit_readings_per_account="100/day")
    session = carol.starts_a_drive(started_at=START)
    assert uploads(carol, session, list(range(60))).status_code == 200
    assert_limited(uploads(carol, session, list(range(60, 120))), '"readings";q=100;w=86400')
    assert uploads(carol, session, list(range(60, 100))).status_code == 200


def test_what_failed_or_was_refused_counts_for_nothing(
    driver_with: MakeDriver, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    carol = driver_with(ratelimit_readings_per_account="100/day", ratelimit_starts_per_account="2/hour")

    def fail(*_: object) -> None:
        raise OperationalError("COMMIT", {}, Exception("server closed the connection unexpectedly"))

    session = carol.starts_a_drive(started_at=START)
    with monkeypatch.context() as without_the_database:
        without_the_database.setattr(intake, "_append", fail)
        assert [uploads(carol, session, list(range(100))).status_code for _ in range(3)] == [503] * 3
    assert uploads(carol, alice.starts_a_drive(), list(range(100))).status_code == 404
    assert uploads(carol, session, list(range(100))).status_code == 200

    carol.post(f"/sessions/{session['id']}/end")
    with monkeypatch.context() as without_the_database:
        without_the_database.setattr(logins, "hold_account", fail)
        assert [carol.post("/sessions", json={}).status_code for _ in range(3)] == [503] * 3
    assert carol.starts_a_drive()


def test_answers_that_are_kept_are_limited_by_account(driver_with: MakeDriver) -> None:
    carol = driver_with(ratelimit_starts_per_account="4/hour")
    body = {"client_session_id": "01890000-0000-7000-8000-000000000000"}
    statuses = [
        carol.post("/sessions", json=body, headers={"Idempotency-Key": f"key {number}"}).status_code
        for number in range(6)
    ]
    assert statuses == [201] * 4 + [429] * 2
