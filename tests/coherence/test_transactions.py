"""When a transaction fences: at its outermost COMMIT, before and after, whatever becomes of it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text, update
from sqlalchemy.exc import OperationalError

from testbed.people import Person
from tests.shared.interleave import Cached, at_commit
from webapp.cache.entries import DELETED, PENDING_TTL_MS, Held
from webapp.cache.fills import Source
from webapp.cache.kinds import MISSING
from webapp.cache.redis import Cache
from webapp.clock import utcnow
from webapp.database import db, read_connection
from webapp.driving.cached_sessions import SESSIONS
from webapp.models import DrivingSession, new_id
from webapp.readings.summary import summarize
from worker.tasks import close_abandoned_sessions


@pytest.fixture
def drive(app: Flask, cache: Cache, alice: Person) -> Iterator[Cached]:
    """A drive of Alice's at version 1, cached."""
    session_id = alice.starts_a_drive(name="old")["id"]
    path = f"/sessions/{session_id}"
    with app.app_context():
        drive = Cached(cache, SESSIONS, session_id, lambda: alice.patch(path, json={"name": "new"}))
        drive.read()
        assert drive.held() == Held("value", 1)
        yield drive


def rename(drive: Cached, name: str) -> None:
    """Change the drive's name in the transaction of `db.session`, without a flush."""
    row = db.session.get(DrivingSession, drive.id, populate_existing=True)
    assert row is not None
    row.name = name


def fenced_at_commit(drive: Cached) -> Held:
    """Commit, and return what the key held when the database was asked to."""
    held: list[Held] = []
    with at_commit(lambda: held.append(drive.held())):
        db.session.commit()
    return held[0]


def assert_fresh(drive: Cached, version: int) -> None:
    assert drive.read()[0] == drive.row()
    assert drive.read()[0].version == version


def test_a_change_that_only_the_commit_flushes_is_fenced_before_it(drive: Cached) -> None:
    rename(drive, "new")
    assert fenced_at_commit(drive) == Held("pending", 2)
    assert_fresh(drive, 2)


def test_many_changes_are_fenced_at_the_last_version(drive: Cached) -> None:
    for name in ("two", "three", "four"):
        rename(drive, name)
        db.session.flush()
    assert fenced_at_commit(drive) == Held("pending", 4)
    assert_fresh(drive, 4)


def test_a_rollback_before_the_commit_fences_nothing(drive: Cached) -> None:
    rename(drive, "never")
    db.session.flush()
    db.session.rollback()
    assert drive.read() == (drive.row(), Source.HIT)
    # Nor is it fenced by the next commit of the same session.
    db.session.execute(text("SELECT 1"))
    db.session.commit()
    assert drive.held() == Held("value", 1)


def test_the_release_of_a_savepoint_is_no_commit_and_the_commit_fences_its_changes(drive: Cached) -> None:
    with db.session.begin_nested():
        rename(drive, "new")
    drive.lose()  # Whatever the release has done is not what the commit stands on.
    drive.read()
    assert drive.held() == Held("value", 1), "nothing is committed yet, so the old row is served"
    assert fenced_at_commit(drive) == Held("pending", 2)
    assert_fresh(drive, 2)


def test_a_change_before_a_savepoint_is_not_forgotten_by_its_release(drive: Cached) -> None:
    rename(drive, "new")
    with db.session.begin_nested(), db.session.begin_nested():
        db.session.execute(text("SELECT 1"))
    drive.lose()
    assert fenced_at_commit(drive) == Held("pending", 2)


def test_a_savepoint_that_is_rolled_back_leaves_the_rest_fenced(drive: Cached) -> None:
    rename(drive, "new")
    savepoint = db.session.begin_nested()
    rename(drive, "never")
    db.session.flush()
    savepoint.rollback()
    # The fence may stand above the row: then nobody caches it until the fence has expired.
    assert fenced_at_commit(drive) in (Held("pending", 2), Held("pending", 3))
    assert drive.row().version == 2
    assert_fresh(drive, 2)


def test_a_commit_that_releases_an_open_savepoint_is_fenced_before_it(drive: Cached) -> None:
    held: list[Held] = []
    with at_commit(lambda: held.append(drive.held())), db.session.begin():
        db.session.begin_nested()
        rename(drive, "new")
    assert held == [Held("pending", 2)]


def test_a_commit_that_fails_leaves_its_fence(drive: Cached) -> None:
    rename(drive, "never")
    db.session.flush()
    pid = db.session.connection().connection.dbapi_connection.info.backend_pid  # type: ignore[union-attr]

    def cut_the_connection() -> None:
        with read_connection() as connection:
            assert connection.scalar(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})

    with pytest.raises(OperationalError), at_commit(cut_the_connection):
        db.session.commit()
    db.session.rollback()
    assert drive.held() == Held("pending", 2), "the outcome is unknown to whoever commits"
    assert_fresh(drive, 1)
    drive.lose()  # The fence expires.
    drive.read()
    assert drive.read() == (drive.row(), Source.HIT)


def test_a_commit_whose_answer_is_lost_leaves_its_fence(drive: Cached) -> None:
    rename(drive, "new")
    db.session.flush()
    driver_connection: Any = db.session.connection().connection.dbapi_connection

    def commit_and_lose_the_answer() -> None:
        driver_connection.commit()
        raise psycopg.OperationalError("the server closed the connection unexpectedly")

    with pytest.raises(psycopg.OperationalError), at_commit(commit_and_lose_the_answer):
        db.session.commit()
    db.session.rollback()
    assert drive.held() == Held("pending", 2)
    assert_fresh(drive, 2)


def test_readers_do_not_keep_the_fence_of_a_failed_write_alive(cache: Cache, drive: Cached) -> None:
    cache.entries.fence({drive.key: 2})
    cache.client.pexpire(drive.key, PENDING_TTL_MS // 2)
    drive.read()
    assert 0 < cache.client.pttl(drive.key) <= PENDING_TTL_MS // 2


def test_a_fence_stands_for_its_whole_time_where_a_failed_write_left_one(cache: Cache, drive: Cached) -> None:
    cache.entries.fence({drive.key: 2})
    cache.client.pexpire(drive.key, 1000)
    rename(drive, "new")
    left_ms: list[int] = []
    with at_commit(lambda: left_ms.append(cache.client.pttl(drive.key))):
        db.session.commit()
    assert left_ms[0] > PENDING_TTL_MS // 2


def test_the_identity_map_keeps_an_old_row_and_the_cache_does_not(alice: Person, drive: Cached) -> None:
    kept = db.session.get(DrivingSession, drive.id)
    drive.change()
    assert db.session.get(DrivingSession, drive.id) is kept
    assert kept is not None
    assert kept.name == "old", "this is the trap"
    assert alice.get(f"/sessions/{drive.id}").get_json()["name"] == "new"
    assert_fresh(drive, 2)


def test_a_deleted_drive_is_gone_from_the_next_read_on(alice: Person, drive: Cached) -> None:
    path = f"/sessions/{drive.id}"
    assert alice.get(path).headers["Cache-Status"] == "session-cache; hit"
    assert alice.delete(path).status_code == 204
    assert [alice.get(path).status_code for _ in range(3)] == [404, 404, 404]
    assert drive.held() == Held("value", 2), "that it is gone is cached, too"


def test_a_slow_reader_cannot_bring_a_deleted_drive_back(alice: Person, drive: Cached) -> None:
    path = f"/sessions/{drive.id}"
    drive.lose()
    drive.read(then=lambda: alice.delete(path))
    assert drive.held() == Held("value", 2), "that it is gone"
    assert [alice.get(path).status_code for _ in range(3)] == [404, 404, 404]


def test_a_row_that_is_removed_is_fenced_above_every_version(alice: Person, drive: Cached) -> None:
    def remove() -> None:
        db.session.delete(db.session.get(DrivingSession, drive.id))
        db.session.commit()

    drive.lose()
    drive.read(then=remove)
    assert drive.held() == Held("pending", DELETED)
    assert alice.get(f"/sessions/{drive.id}").status_code == 404


def test_a_row_that_was_missing_is_served_once_it_is_there(alice: Person, drive: Cached) -> None:
    assert alice.post(f"/sessions/{drive.id}/end", json={}).status_code == 200
    missing = Cached(drive.cache, SESSIONS, new_id(), lambda: None)
    assert missing.read()[0].body == ""
    assert missing.read()[1] is Source.HIT

    def add() -> None:
        db.session.add(DrivingSession(id=missing.id, user_id=alice.id, summary=summarize(None, "live")))
        db.session.commit()

    add()
    assert missing.held() == Held("value", 1)
    assert missing.read()[0] == missing.row() != MISSING


def test_a_write_made_by_a_task_of_the_worker_is_fenced(alice: Person, drive: Cached) -> None:
    silent = update(DrivingSession).values(last_contact_at=utcnow() - timedelta(minutes=16))
    db.session.execute(silent, execution_options={"changes_nothing_cached": True})
    db.session.commit()
    held: list[Held] = []
    with at_commit(lambda: held.append(drive.held())):
        close_abandoned_sessions()
    assert held == [Held("pending", 2)]
    assert alice.get(f"/sessions/{drive.id}").get_json()["status"] == "abandoned"
    assert alice.get("/sessions").get_json()["data"][0]["status"] == "abandoned"
