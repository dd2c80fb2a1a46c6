"""The list of a driver's sessions."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.people import Person


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
    later = datetime.now(UTC) + timedelta(hours=1)
    assert alice.get(f"/sessions?updated_since={later:%Y-%m-%dT%H:%M:%SZ}").json["data"] == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "status=parked", "from=today", "cursor=x", "page=2"]
)
def test_a_wrong_filter_is_told(alice: Person, query: str) -> None:
    answer = alice.get(f"/sessions?{query}")
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, f"/{query.partition('=')[0]}")


def test_the_first_page_is_cached_and_never_behind(alice: Person) -> None:
    session = alice.starts_a_drive(name="one")
    assert alice.get("/sessions").headers["Cache-Status"] == "session-cache; fwd=miss"
    assert alice.get("/sessions").headers["Cache-Status"] == "session-cache; hit"
    alice.patch(f"/sessions/{session['id']}", json={"name": "two"})
    assert alice.get("/sessions").json["data"][0]["name"] == "two"
