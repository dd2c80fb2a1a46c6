"""The cached list holds who stands in it; what is shown of them is their own, so an upload leaves the list alone."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from testbed.people import Person
from testbed.troubles import TROUBLE
from tests.coherence.reading import BYPASS, HIT, MISS
from webapp.cache.entries import Held
from webapp.cache.reconcile import reconcile
from webapp.cache.redis import Cache
from webapp.database import db
from webapp.driving.cached_lists import SESSION_LISTS
from webapp.driving.cached_sessions import SESSIONS

START = "2026-01-05T08:00:00Z"
ON_A_PAGE = 20
OF_A_USER = text("SELECT sessions_version, version, updated_at, xmin::text FROM users WHERE id = :id")


@pytest.fixture
def drive(alice: Person) -> str:
    """A drive of Alice's that goes on, named "old", in a list that is cached."""
    drive_id = alice.starts_a_drive(name="old", started_at=START)["id"]
    assert [listed(alice)[1] for _ in range(2)] == [MISS, HIT]
    return str(drive_id)


def listed(driver: Person) -> tuple[list[dict[str, Any]], str]:
    """Return the newest page of a list, and where it came from."""
    answer = driver.get("/sessions")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.json["data"], answer.headers["Cache-Status"]


def row_of(app: Flask, driver: Person) -> Any:
    """Return the driver's row, and which transaction has written it."""
    with app.app_context(), db.engine.connect() as connection:
        return connection.execute(OF_A_USER, {"id": driver.id}).one()


def held(cache: Cache, driver: Person) -> Held:
    return cache.entries.held([SESSION_LISTS.key(driver.id)])[0]


def rename(driver: Person, drive_id: str) -> None:
    assert driver.patch(f"/sessions/{drive_id}", json={"name": "new"}).status_code == 200


def upload(driver: Person, drive_id: str) -> None:
    readings = [{"seq": seq, "t": f"2026-01-05T08:00:0{seq}Z", "speed_mps": 10.0} for seq in range(9)]
    assert driver.post(f"/sessions/{drive_id}/readings", json={"readings": readings}).json["accepted"] == 9


def end(driver: Person, drive_id: str) -> None:
    assert driver.post(f"/sessions/{drive_id}/end", json={}).status_code == 200


def delete(driver: Person, drive_id: str) -> None:
    assert driver.delete(f"/sessions/{drive_id}").status_code == 204


@pytest.mark.parametrize(
    ("write", "shown"),
    [(rename, {"name": "new"}), (upload, {"readings_count": 9, "last_seq": 8})],
    ids=["a rename", "an upload"],
)
def test_what_changes_no_membership_leaves_list_and_account_alone_and_is_shown_at_once(
    app: Flask, alice: Person, cache: Cache, drive: str, write: Callable[[Person, str], None], shown: dict[str, Any]
) -> None:
    account, raw = row_of(app, alice), cache.client.get(SESSION_LISTS.key(alice.id))
    write(alice, drive)
    assert row_of(app, alice) == account
    assert cache.client.get(SESSION_LISTS.key(alice.id)) == raw
    rows, source = listed(alice)
    assert ({name: rows[0][name] for name in shown}, source) == (shown, HIT)


def test_a_start_changes_the_list(app: Flask, alice: Person, cache: Cache, drive: str) -> None:
    end(alice, drive)
    listed(alice)
    before = row_of(app, alice)
    newest = alice.starts_a_drive(started_at="2026-01-05T09:00:00Z")["id"]
    assert held(cache, alice) == Held("pending", before.sessions_version + 1)
    assert [row["id"] for row in listed(alice)[0]] == [newest, drive]
    assert_only_the_counter_rose(app, alice, before)


@pytest.mark.parametrize(("write", "statuses"), [(end, ["completed"]), (delete, [])], ids=["an end", "a deletion"])
def test_an_end_and_a_deletion_change_the_list(
    app: Flask, alice: Person, cache: Cache, drive: str, write: Callable[[Person, str], None], statuses: list[str]
) -> None:
    before = row_of(app, alice)
    write(alice, drive)
    assert held(cache, alice) == Held("pending", before.sessions_version + 1)
    assert [row["status"] for row in listed(alice)[0]] == statuses
    assert_only_the_counter_rose(app, alice, before)


def assert_only_the_counter_rose(app: Flask, driver: Person, before: Any) -> None:
    after = row_of(app, driver)
    assert after.sessions_version == before.sessions_version + 1
    assert (after.version, after.updated_at) == (before.version, before.updated_at)


def test_the_list_of_one_driver_is_nobody_elses_business(app: Flask, alice: Person, bob: Person, drive: str) -> None:
    bobs = row_of(app, bob)
    end(alice, drive)
    assert row_of(app, bob) == bobs
    assert listed(bob)[0] == []


def test_rows_that_were_evicted_are_loaded_for_the_list_and_filled(alice: Person, cache: Cache) -> None:
    ids = many_drives(alice, 5)
    whole = alice.get("/sessions").json
    cache.client.delete(*map(SESSIONS.key, ids[1:4]))
    partly = alice.get("/sessions")
    assert (partly.json, partly.headers["Cache-Status"]) == (whole, MISS)
    assert {found.state for found in cache.entries.held(list(map(SESSIONS.key, ids)))} == {"value"}
    filled = alice.get("/sessions")
    assert (filled.json, filled.headers["Cache-Status"]) == (whole, HIT)
    assert [alice.get(f"/sessions/{id}").headers["Cache-Status"] for id in ids] == [HIT] * 5


def test_a_list_is_the_same_whichever_way_it_comes(app: Flask, alice: Person, cache: Cache) -> None:
    ids = many_drives(alice, ON_A_PAGE + 1)
    cache.client.flushdb()
    answers = [alice.get("/sessions") for _ in range(2)]
    cache.trust.doubt(TROUBLE, operation="test")
    answers.append(alice.get("/sessions"))
    assert [answer.headers["Cache-Status"] for answer in answers] == [MISS, HIT, BYPASS]
    assert [answer.data for answer in answers] == [answers[0].data] * 3
    # With a filter that all pass it is no cached list.
    filtered = alice.get("/sessions?from=2026-01-01T00:00:00Z").json
    assert (filtered, filtered["has_more"]) == (answers[0].json, True)
    assert [row["id"] for row in filtered["data"]] == ids[:ON_A_PAGE]
    rest = alice.get(f"/sessions?cursor={answers[1].json['next_cursor']}").json
    assert ([row["id"] for row in rest["data"]], rest["has_more"]) == (ids[ON_A_PAGE:], False)


def many_drives(driver: Person, number: int) -> list[str]:
    """Make drives, and return their ids as a list shows them: newest first."""
    ids = []
    for minute in range(number):
        times = [f"2026-01-05T08:{minute:02d}:{second:02d}Z" for second in (0, 30)]
        drive = driver.starts_a_drive(started_at=times[0], name='"}}', tags=["路"], vehicle={"a": "}"}, notes="long")
        readings = [{"seq": seq, "t": time, "speed_mps": 9.5} for seq, time in enumerate(times)]
        assert driver.post(f"/sessions/{drive['id']}/readings", json={"readings": readings}).json["accepted"] == 2
        end(driver, drive["id"])
        ids.insert(0, drive["id"])
    return ids


def active(driver: Person) -> str | None:
    """Return the id of the drive that is going on, or None."""
    answer = driver.get("/sessions/active")
    assert answer.status_code in (200, 404)
    assert answer.status_code == 404 or answer.json["status"] == "active"
    return answer.json["id"] if answer.status_code == 200 else None


@pytest.mark.parametrize("write", [end, delete], ids=["ended", "deleted"])
@pytest.mark.parametrize("is_believed", [True, False], ids=["", "without Redis"])
def test_a_drive_that_is_over_is_never_the_active_one(
    app: Flask, alice: Person, cache: Cache, drive: str, write: Callable[[Person, str], None], is_believed: bool
) -> None:
    assert [active(alice), active(alice)] == [drive, drive]
    if not is_believed:
        cache.trust.doubt(TROUBLE, operation="test")
    write(alice, drive)
    assert [active(alice), active(alice)] == [None, None]
    another = alice.starts_a_drive(started_at=START)["id"]
    assert [active(alice), active(alice)] == [another, another]


@pytest.mark.parametrize("write", [end, delete], ids=["ended", "deleted"])
def test_a_list_that_is_behind_makes_no_drive_active_that_is_over(
    app: Flask, alice: Person, cache: Cache, drive: str, write: Callable[[Person, str], None]
) -> None:
    """As a reader sees it who has fetched the list before the write and the drive after it."""
    raw = str(cache.client.get(SESSION_LISTS.key(alice.id)))
    write(alice, drive)
    cache.client.set(SESSION_LISTS.key(alice.id), raw)
    assert active(alice) is None
    with app.app_context():
        assert reconcile().behind == 1
    assert [row["status"] for row in listed(alice)[0]] == (["completed"] if write is end else [])
