"""The list of a driver's sessions."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from testbed.people import Person
from webapp.cache.redis import Cache
from webapp.database import db


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


@pytest.mark.parametrize(
    ("path", "round_trips", "statements"),
    [
        ("/users/me", 1, 0),
        ("/sessions", 3, 0),
        ("/sessions?status=active", 1, 1),
        ("/sessions/active", 3, 0),
    ],
)
def test_a_cached_read_costs_what_the_readme_says(
    app: Flask, cache: Cache, alice: Person, path: str, round_trips: int, statements: int
) -> None:
    alice.starts_a_drive()
    assert alice.get(path).status_code == alice.get(path).status_code == 200

    def mgets() -> int:
        return int(cache.client.info("commandstats")["cmdstat_mget"]["calls"])

    def note(*of: Any) -> None:
        asked.append(of[2])

    asked: list[str] = []
    before = mgets()
    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    assert alice.get(path).status_code == 200
    event.remove(engine, "before_cursor_execute", note)
    assert (mgets() - before, len(asked)) == (round_trips, statements)
