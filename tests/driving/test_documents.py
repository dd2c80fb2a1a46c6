"""Documents stay small: they are kept in the cache, and read from it again and again."""

from typing import Any

import orjson
import pytest

from testbed.people import Person
from tests.driving.makers import MakeDriver
from webapp.driving.documents import MAX_DOCUMENT_BYTES, OF_THE_SERVER_BYTES

START = "2026-01-05T08:00:00.000Z"

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
