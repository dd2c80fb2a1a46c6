"""A writer publishes what it has committed: the next read is a hit, and nothing that comes in between is undone."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from testbed.people import PASSWORD, Person
from tests.coherence.reading import HIT
from tests.shared.interleave import Act, Cached, at_commit, between_commit_and_fence
from webapp.cache import fills, keys
from webapp.cache.entries import Held, new_lease_token, new_writer_token
from webapp.cache.fills import Source
from webapp.cache.redis import Cache
from webapp.database import db
from webapp.driving import cached_sessions
from webapp.driving.cached_lists import SESSION_LISTS
from webapp.driving.cached_sessions import SESSIONS
from webapp.models import DrivingSession

START = "2026-01-05T09:00:00.1239+01:00"
UNUSUAL: dict[str, Any] = {
    "name": 'Füße 🚗 "}}" \\',
    "tags": ["|", "ä"],
    "vehicle": {"km": 1e2, "wheels": 4, "none": None, "plate": {"x": [-0.0, 2**53 + 1, 0.1]}},
}

Write = Callable[[Person, str], str]
"""Writes a drive, given one that goes on, and returns the id of the one that it wrote."""


def start(driver: Person, drive_id: str) -> str:
    end(driver, drive_id)
    return str(driver.starts_a_drive(started_at=START, notes="\u0001", device={"os": "x"}, **UNUSUAL)["id"])


def rename(driver: Person, drive_id: str) -> str:
    assert driver.patch(f"/sessions/{drive_id}", json={**UNUSUAL, "notes": "</script>\n"}).status_code == 200
    return drive_id


def upload(driver: Person, drive_id: str) -> str:
    seq = int(driver.get(f"/sessions/{drive_id}").json["readings_count"])
    readings = [{"seq": seq + n, "t": f"2026-01-05T08:{seq + n:02d}:01.5Z", "speed_mps": n + 0.1} for n in range(2)]
    assert driver.post(f"/sessions/{drive_id}/readings", json={"readings": readings}).json["accepted"] == 2
    return drive_id


def end(driver: Person, drive_id: str) -> str:
    assert driver.post(f"/sessions/{drive_id}/end", json={}).status_code == 200
    return drive_id


def delete(driver: Person, drive_id: str) -> str:
    assert driver.delete(f"/sessions/{drive_id}").status_code == 204
    return drive_id


WRITES: tuple[Write, ...] = (start, rename, upload, end, delete)


@pytest.fixture
def drive(app: Flask, cache: Cache, alice: Person) -> Iterator[Cached]:
    """A drive of Alice's that goes on, at version 1."""
    drive_id = alice.starts_a_drive(name="old", started_at=START)["id"]
    names = iter(range(100))

    def change() -> None:
        assert alice.patch(f"/sessions/{drive_id}", json={"name": f"drive {next(names)}"}).status_code == 200

    with app.app_context():
        yield Cached(cache, SESSIONS, drive_id, change)


def assert_fresh(drive: Cached, version: int) -> None:
    """Read twice: what is put and what is then served must be the row."""
    assert drive.read()[0] == drive.row()
    assert drive.read() == (drive.row(), Source.HIT)
    assert drive.row().version == version


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.__name__)
def test_the_next_read_after_a_write_is_a_hit_byte_for_byte_what_the_database_says(
    cache: Cache, alice: Person, drive: Cached, write: Write
) -> None:
    written = Cached(cache, SESSIONS, write(alice, drive.id), drive.change)
    assert written.read() == (written.row(), Source.HIT)
    answer = alice.get(f"/sessions/{written.id}")
    told = cached_sessions.parse(written.row())
    if told is None:
        assert (write, answer.status_code) == (delete, 404)
    else:
        assert (answer.get_data(as_text=True), answer.headers["Cache-Status"]) == (told.json, HIT)


def test_among_fifty_writes_there_is_no_miss(cache: Cache, alice: Person, drive: Cached) -> None:
    chance, going_on = random.Random(12), drive.id
    sources: list[Source] = []
    for _ in range(50):
        write = chance.choices(WRITES, weights=(2, 4, 6, 1, 1))[0]
        written = Cached(cache, SESSIONS, write(alice, going_on), drive.change)
        entry, source = written.read()
        assert entry == written.row()
        sources.append(source)
        if write in (end, delete):
            going_on = str(alice.starts_a_drive(started_at=START)["id"])
        elif write is start:
            going_on = written.id
    assert sources == [Source.HIT] * 50


def test_the_last_of_many_changes_and_every_row_of_a_transaction_is_published(
    cache: Cache, alice: Person, drive: Cached
) -> None:
    another = Cached(cache, SESSIONS, start(alice, drive.id), drive.change)
    rows = [db.session.get_one(DrivingSession, each.id) for each in (drive, another)]
    before = [row.version for row in rows]
    for name in ("two", "three"):
        for row in rows:
            row.name = name
        db.session.flush()
    db.session.commit()
    assert [each.held() for each in (drive, another)] == [Held("value", version + 2) for version in before]
    assert all(each.read() == (each.row(), Source.HIT) for each in (drive, another))


def losing(drive: Cached) -> None:
    drive.change()
    drive.lose()


def losing_and_reading(drive: Cached) -> None:
    losing(drive)
    assert drive.read()[0].version == 3


@pytest.mark.parametrize(
    ("overtake", "left"),
    [
        (lambda drive: drive.change(), Held("value", 3)),
        (losing, Held("pending", 2)),
        (losing_and_reading, Held("value", 3)),
    ],
    ids=["", "the key is lost", "the key is lost and filled"],
)
def test_6_a_writer_that_is_slow_to_publish_puts_nothing_old_over_what_another_one_committed(
    drive: Cached, overtake: Callable[[Cached], None], left: Held
) -> None:
    with between_commit_and_fence(lambda: overtake(drive)):
        drive.change()
    assert drive.held() == left
    assert_fresh(drive, 3)


def test_a_writer_that_is_slow_to_publish_brings_no_deleted_drive_back(alice: Person, drive: Cached) -> None:
    path = f"/sessions/{drive.id}"
    with between_commit_and_fence(lambda: alice.delete(path)):
        drive.change()
    assert [alice.get(path).status_code for _ in range(2)] == [404, 404]


def test_a_writer_that_is_slow_to_publish_leaves_nothing_of_an_account_that_was_deleted(
    alice: Person, drive: Cached
) -> None:
    with between_commit_and_fence(lambda: alice.delete("/users/me", json={"password": PASSWORD})):
        drive.change()
    assert drive.held().state != "value"


def test_a_writer_whose_fence_was_lost_publishes_nothing(drive: Cached) -> None:
    with at_commit(drive.lose):
        drive.change()
    assert drive.held() == Held("pending", 2)
    assert_fresh(drive, 2)


def test_a_reader_that_took_over_from_a_writer_that_was_only_slow_keeps_it_from_publishing(
    cache: Cache, drive: Cached
) -> None:
    cache.client.delete(keys.WARM_DUE, keys.WARM_SCHEDULED)
    with at_commit(drive.read):
        drive.change()
    assert drive.held() == Held("pending", 2)
    assert drive.key in cache.client.smembers(keys.WARM_DUE), "so the worker is asked"
    assert_fresh(drive, 2)


def test_a_writer_that_dies_keeps_readers_no_longer_than_their_patience(
    alice: Person, cache: Cache, drive: Cached, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive.change()
    drive.lose()
    cache.entries.fence_once({drive.key: 2}, held=[drive.key], token=new_writer_token())
    pauses: list[float] = []
    seen: list[list[bool]] = []

    def take_it_over_again() -> None:
        seen.append(cache.entries.lease([drive.key], new_lease_token(), from_writers=True))

    monkeypatch.setattr(fills.time, "sleep", pauses.append)
    assert drive.read(then=take_it_over_again) == (drive.row(), Source.MISS)
    assert 0 < sum(pauses) <= fills.POLLS * fills.POLL_INTERVAL_S
    assert seen == [[False]], "only one of them fills: from a reader nobody takes over"
    pauses.clear()
    assert drive.read() == (drive.row(), Source.HIT)
    assert pauses == []


@pytest.mark.parametrize("write", [rename, upload], ids=lambda write: write.__name__)
def test_a_write_that_published_all_that_it_changed_asks_the_worker_for_nothing(
    cache: Cache, alice: Person, drive: Cached, write: Write, commands: Callable[[Act], list[str]]
) -> None:
    alice.get("/sessions")
    cache.client.delete(keys.WARM_DUE, keys.WARM_SCHEDULED)
    assert "sadd" not in commands(lambda: write(alice, drive.id))
    assert cache.client.exists(keys.WARM_DUE, keys.WARM_SCHEDULED) == 0


@pytest.mark.parametrize("write", [start, end, delete], ids=lambda write: write.__name__)
def test_a_write_that_changes_a_list_asks_the_worker_for_that_list_alone(
    cache: Cache, alice: Person, drive: Cached, write: Write, commands: Callable[[Act], list[str]]
) -> None:
    alice.get("/sessions")
    cache.client.delete(keys.WARM_DUE, keys.WARM_SCHEDULED)
    assert commands(lambda: write(alice, drive.id)).count("sadd") == 1
    assert cache.client.smembers(keys.WARM_DUE) == {SESSION_LISTS.key(alice.id)}


@pytest.fixture
def commands(cache: Cache) -> Callable[[Act], list[str]]:
    """Do something, and return the commands that Redis executed meanwhile."""

    def done(act: Act) -> list[str]:
        before: dict[str, Any] = cache.client.info("commandstats")
        act()
        after: dict[str, Any] = cache.client.info("commandstats")
        calls = {name: row["calls"] - before.get(name, {"calls": 0})["calls"] for name, row in after.items()}
        return [name.removeprefix("cmdstat_") for name, number in calls.items() for _ in range(number)]

    return done
