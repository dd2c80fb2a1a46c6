"""What was deleted is erased in batches, found again after a kill, and nobody waits for it meanwhile."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from flask import Flask

from testbed.people import PASSWORD, Person
from tests.accounts import deleted_rows
from tests.accounts.deleted_rows import OfAFewBatches, a_deleted_drive, count, deletions, fill
from webapp import batches
from webapp.accounts import deletion
from webapp.batches import Budget
from webapp.cache.redis import Cache
from webapp.database import db
from webapp.driving.cached_lists import SESSION_LISTS
from webapp.driving.cached_sessions import SESSIONS
from webapp.driving.documents import WRITTEN
from webapp.driving.erasure import WITH_THE_READINGS
from webapp.models import AppendedReadings, DrivingSession, IdempotentAnswer, ReadingChunk

FOR_EVER = 600.0


def erase(app: Flask, seconds: float = FOR_EVER) -> None:
    with app.app_context():
        deletion.erase_deleted(Budget(seconds))
        db.session.remove()


@contextmanager
def meanwhile(act: Callable[[], object]) -> Iterator[list[float]]:
    """Do something again and again, and record how long each time took, in s."""
    took: list[float] = []
    is_over = threading.Event()

    def go_on() -> None:
        while not is_over.is_set():
            began = time.monotonic()
            act()
            took.append(time.monotonic() - began)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield took
    finally:
        is_over.set()
        thread.join()


@contextmanager
def lock_waits(database_url: str) -> Iterator[list[str]]:
    """Record, every few ms, the statements that wait for what another transaction has locked."""
    waiting: list[str] = []
    query = "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as connection:

        def look() -> None:
            waiting.extend(row[0] for row in connection.execute(query))
            time.sleep(0.005)

        with meanwhile(look):
            yield waiting


def entries_read(app: Flask, database_url: str) -> int:
    """Return how many entries of the index of the chunks were looked at so far."""
    with app.app_context():
        db.engine.dispose()  # A connection tells what it did at the latest when it ends.
    query = "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'pk_reading_chunks'"
    with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
        time.sleep(0.5)
        return int(connection.execute(query).fetchone()[0])  # type: ignore[index]


def test_the_readings_of_a_deleted_drive_are_erased_in_batches(either_app: Flask) -> None:
    alice = Person.registered(either_app, "alice@example.com")
    session_id = a_deleted_drive(either_app, alice.id, chunks=2500)
    with deletions(either_app) as taken:
        erase(either_app)
    assert [rows for rows in taken if rows] == [1000, 1000, 500]
    assert count(either_app, ReadingChunk) == 0
    with either_app.app_context():
        assert db.session.get_one(DrivingSession, session_id).readings_count == 0, "it is not looked at again"


def test_a_drive_that_is_there_keeps_its_readings(either_app: Flask) -> None:
    alice = Person.registered(either_app, "alice@example.com")
    kept = alice.starts_a_drive(started_at="2026-01-05T08:00:00Z")["id"]
    readings = {"readings": [{"seq": 0, "t": "2026-01-05T08:00:00Z"}]}
    assert alice.post(f"/sessions/{kept}/readings", json=readings).status_code == 200
    a_deleted_drive(either_app, alice.id, chunks=3)
    erase(either_app)
    assert (count(either_app, ReadingChunk), count(either_app, AppendedReadings)) == (0, 1)


def test_what_one_run_has_no_time_for_is_done_by_the_next_ones(
    app: Flask, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_deleted_drive(app, alice.id, chunks=50)
    monkeypatch.setattr(batches, "BATCH", 10)
    left = [50]
    while left[-1]:
        with app.app_context():
            deletion.erase_deleted(OfAFewBatches(looks=5))
        left.append(count(app, ReadingChunk))
    assert left == [50, 30, 10, 0], "a look goes to each table of readings"


def test_a_run_that_is_cut_off_in_the_middle_keeps_what_it_has_done(
    app: Flask, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_deleted_drive(app, alice.id, chunks=50)
    monkeypatch.setattr(batches, "BATCH", 10)
    pauses = iter([None, None])
    monkeypatch.setattr(batches.time, "sleep", lambda _: next(pauses))
    with pytest.raises(RuntimeError):
        erase(app)
    monkeypatch.undo()
    assert 0 < count(app, ReadingChunk) < 50
    erase(app)
    assert count(app, ReadingChunk) == 0


def test_no_batch_looks_again_at_what_the_ones_before_have_left_behind(
    app: Flask, alice: Person, database_url: str
) -> None:
    session_id = a_deleted_drive(app, alice.id, chunks=1)
    fill(database_url, "DELETE FROM reading_chunks WHERE session_id = %s", session_id)
    fill(database_url, deleted_rows.CHUNKS, session_id, 20_000)
    # While somebody may still look at them, as a backup does, the dead rows stay, and so do their places in the index.
    with psycopg.connect(database_url.replace("+psycopg", "")) as backup:
        backup.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        backup.execute("SELECT count(*) FROM reading_chunks")
        before = entries_read(app, database_url)
        erase(app)
        assert entries_read(app, database_url) - before < 5 * 20_000
    assert count(app, ReadingChunk) == 0


@pytest.mark.timeout(300)
def test_nobody_waits_while_200_000_chunks_are_erased(
    app: Flask, alice: Person, bob: Person, database_url: str
) -> None:
    session_id = alice.starts_a_drive()["id"]
    fill(database_url, deleted_rows.CHUNKS, session_id, 200_000)
    fill(database_url, "UPDATE driving_sessions SET readings_count = 200000 WHERE id = %s", session_id)
    assert alice.delete(f"/sessions/{session_id}").status_code == 204
    path = f"/sessions/{bob.starts_a_drive()['id']}"

    def write_and_read() -> None:
        assert bob.patch(path, json={"name": f"{time.monotonic()}"}).status_code == 200
        assert bob.get("/sessions?status=active").status_code == 200

    with lock_waits(database_url) as waits, meanwhile(write_and_read) as took:
        runs = 0
        while count(app, ReadingChunk):
            erase(app, seconds=5.0)
            runs += 1
    assert waits == []
    assert len(took) > 50
    # Without locks it is the machine alone that keeps somebody waiting.
    assert max(took) < 2.0, f"{len(took)} writes and reads, the longest took {max(took):.3f} s, in {runs} runs"


def test_a_writer_on_sqlite_gets_its_turn_while_chunks_are_erased(app_on_sqlite: Flask) -> None:
    alice, bob = (Person.registered(app_on_sqlite, f"{name}@example.com") for name in ("alice", "bob"))
    for _ in range(10):
        a_deleted_drive(app_on_sqlite, alice.id, chunks=2000)
    path = f"/sessions/{bob.starts_a_drive()['id']}"

    def write() -> None:
        assert bob.patch(path, json={"name": f"{time.monotonic()}"}).status_code == 200

    with meanwhile(write) as took:
        erase(app_on_sqlite)
    assert count(app_on_sqlite, ReadingChunk) == 0
    assert len(took) > 5
    assert max(took) < 1.0


def test_an_account_with_thousands_of_drives_is_closed_at_once_and_erased_later(
    app: Flask, alice: Person, bob: Person, cache: Cache, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = alice.starts_a_drive(name="hers", started_at="2026-01-05T08:00:00Z")["id"]
    assert alice.get(f"/sessions/{session_id}").status_code == alice.get("/sessions").status_code == 200
    fill(database_url, deleted_rows.DRIVES, alice.id, 5000)
    fill(database_url, deleted_rows.A_CHUNK_EACH, alice.id)
    monkeypatch.setattr(deletion, "IN_THE_REQUEST_S", 0.0)
    assert alice.delete("/users/me", json={"password": PASSWORD}).status_code == 204

    with app.app_context():
        assert db.session.get_one(DrivingSession, session_id).deleted_at is None, "the request had no time for it"
    for path in (f"/sessions/{session_id}", "/sessions", "/users/me"):
        assert alice.get(path).status_code == 401
    assert bob.get(f"/sessions/{session_id}").status_code == 404

    with deletions(app) as taken:
        erase(app)
    assert max(taken) <= 1000
    assert count(app, ReadingChunk) == 0
    with app.app_context():
        for drive in db.session.query(DrivingSession):
            assert drive.deleted_at is not None and drive.readings_count == 0
            assert {name: getattr(drive, name) for name in WRITTEN} == WRITTEN
    assert cache.client.exists(SESSIONS.key(session_id), SESSION_LISTS.key(alice.id)) == 0


def test_an_ordinary_account_is_erased_before_the_answer(either_app: Flask) -> None:
    alice = Person.registered(either_app, "alice@example.com")
    drive = {"name": "secret", "started_at": "2026-01-05T08:00:00Z"}
    answer = alice.post("/sessions", json=drive, headers={"Idempotency-Key": "k"})
    readings = {"readings": [{"seq": 0, "t": drive["started_at"]}]}
    assert alice.post(f"/sessions/{answer.json['id']}/readings", json=readings).status_code == 200
    assert alice.delete("/users/me", json={"password": PASSWORD}).status_code == 204
    assert count(either_app, ReadingChunk) == count(either_app, IdempotentAnswer) == 0
    with either_app.app_context():
        assert db.session.get_one(DrivingSession, answer.json["id"]).name is None


def test_what_a_person_wrote_into_a_drive_goes_with_its_deletion(app: Flask, alice: Person) -> None:
    content = {"name": "a", "notes": "b", "tags": ["c"], "vehicle": {"d": "e"}, "device": {"f": "g"}}
    session_id = alice.starts_a_drive(**content)["id"]
    assert alice.delete(f"/sessions/{session_id}").status_code == 204
    with app.app_context():
        drive = db.session.get_one(DrivingSession, session_id)
        assert {name: getattr(drive, name) for name in content} == WRITTEN


def test_of_every_column_of_a_drive_it_is_known_whether_it_is_erased() -> None:
    kept = {
        *("id", "user_id", "client_session_id", "version", "deleted_at"),
        *("status", "end_reason", "created_at", "updated_at", "last_contact_at", "closed_at"),
        *("started_at", "ended_at", "last_reading_at", "last_seq", "summary"),
    }
    erased = WRITTEN.keys() | WITH_THE_READINGS.keys()
    assert kept | erased == set(DrivingSession.__table__.columns.keys())
