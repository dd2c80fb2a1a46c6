"""Appended readings: taken in at once, put into chunks by the worker, and seen once by everybody all the time."""

import random
from threading import Event, Thread
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from testbed.people import Person
from tests.driving.appending import Drive
from tests.driving.long_drives import compacted
from tests.shared.interleave import at_commit
from webapp import jobs
from webapp.database import db, read_connection
from webapp.driving import append_rows, compaction, merging
from webapp.models import DrivingSession
from webapp.readings import chunks
from worker.tasks import compact_due, compact_readings, erase_deleted

CUT_OFF = (
    "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
    "WHERE state = 'idle in transaction' AND datname = current_database()"
)


@pytest.fixture
def drive(app: Flask, alice: Person) -> Drive:
    return Drive(app, alice)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []
    monkeypatch.setattr(jobs, "compact_readings", asked.append)
    return asked


def test_readings_in_order_are_appended_and_no_chunk_is_touched(drive: Drive) -> None:
    for first in range(0, 100, 10):
        drive.uploads(range(first, first + 10))
    assert (drive.appended(), drive.chunked()) == (100, 0)
    drive.assert_true()


def test_the_worker_puts_them_into_chunks_and_nothing_that_is_shown_changes(drive: Drive) -> None:
    for first in range(0, 600, 50):
        drive.uploads(range(first, first + 50))
    before = drive.shown()
    with drive.app.app_context():
        compact_readings(drive.id)
    assert drive.chunked() >= 600 - chunks.CHUNK_SEQS
    assert drive.appended() + drive.chunked() == 600
    assert drive.shown() == before
    drive.assert_true()


def test_a_second_run_finds_nothing_to_do(drive: Drive) -> None:
    drive.uploads(range(300))
    with drive.app.app_context():
        compact_readings(drive.id)
        before = db.session.get_one(DrivingSession, drive.id).sums
        compact_readings(drive.id)
        assert db.session.get_one(DrivingSession, drive.id, populate_existing=True).sums == before
    drive.assert_true()


@pytest.mark.parametrize("step", ["merge", "remove", "commit"])
def test_a_worker_that_dies_at_any_step_has_done_nothing(
    drive: Drive, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive.uploads(range(300))

    def die(*_: object, **__: object) -> None:
        """As the server sees it: the connection is gone."""
        with read_connection() as connection:
            assert connection.scalar(text(CUT_OFF))
        if step != "commit":
            db.session.execute(text("SELECT 1"))

    with drive.app.app_context(), monkeypatch.context() as dying, pytest.raises(OperationalError):
        if step == "commit":
            with at_commit(die):
                compact_readings(drive.id)
        else:
            dying.setattr(*((merging, "merge", die) if step == "merge" else (append_rows, "remove", die)))
            compact_readings(drive.id)
    assert (drive.appended(), drive.chunked()) == (300, 0)
    drive.assert_true()
    with drive.app.app_context():
        compact_readings(drive.id)
    assert drive.chunked() == 300
    drive.assert_true()


def test_a_second_worker_leaves_a_drive_to_the_first(drive: Drive) -> None:
    drive.uploads(range(300))
    seen: list[bool] = []

    def in_another_context() -> None:
        with drive.app.app_context():
            seen.append(compaction.compact(drive.id))
            db.session.rollback()

    def come_second() -> None:
        second = Thread(target=in_another_context)
        second.start()
        second.join()

    with drive.app.app_context(), at_commit(come_second):
        compact_readings(drive.id)
    assert seen == [False]
    assert drive.chunked() == 300
    drive.assert_true()


def test_an_upload_into_a_block_that_is_being_compacted_waits_a_moment_and_nothing_is_lost(drive: Drive) -> None:
    drive.uploads(range(300))
    began = Event()
    receipts: list[dict[str, Any]] = []

    def upload() -> None:
        began.set()
        receipts.append(drive.uploads(range(290, 330)))  # Ten of them were there.

    uploader = Thread(target=upload)

    def begin_to_upload() -> None:
        uploader.start()
        assert began.wait(10)

    with drive.app.app_context(), at_commit(begin_to_upload):
        compact_readings(drive.id)
    uploader.join()
    assert [(receipt["accepted"], receipt["duplicates"]) for receipt in receipts] == [(30, 10)]
    drive.assert_true()


def test_a_reader_in_between_sees_every_reading_once(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compacted between the reading of what was appended and that of the chunks, readings stand in both."""
    drive.uploads(range(300))
    read = append_rows.read_all

    def read_and_let_compact(*arguments: Any) -> Any:
        found = list(read(*arguments))
        with drive.app.app_context():
            compact_readings(drive.id)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(append_rows, "read_all", read_and_let_compact)
        assert drive.stored() == list(range(300))
    assert drive.chunked() == 300


@pytest.mark.parametrize("seed", range(6))
def test_any_batches_with_compactions_anywhere_amount_to_the_same(drive: Drive, seed: int) -> None:
    chance = random.Random(seed)
    first = 0
    for _ in range(25):
        match chance.choice(["next", "next", "next", "late", "repeated", "gap", "compact"]):
            case "next":
                first += len(drive_next(drive, first, chance.randint(1, 90)))
            case "gap":
                first += chance.randint(1, 700)
            case "late" if first:
                at = chance.randrange(first)
                drive.uploads(range(at, min(at + chance.randint(1, 40), first)))
            case "repeated" if first:
                drive.uploads(range(max(0, first - 30), first))
            case "compact":
                with drive.app.app_context():
                    compacted(drive.id)
    drive.assert_true()
    drive.driver.post(f"/sessions/{drive.id}/end", json={})
    with drive.app.app_context():
        compact_due()
    assert (drive.appended(), drive.chunked()) == (0, len(drive.sent))


def drive_next(drive: Drive, first: int, count: int) -> range:
    seqs = range(first, first + count)
    assert drive.uploads(seqs)["accepted"] == count
    return seqs


def test_the_worker_is_asked_when_a_block_has_come_together_and_at_the_end(drive: Drive, asked: list[str]) -> None:
    for first in range(0, 250, 10):
        drive.uploads(range(first, first + 10))
    assert asked == []
    drive.uploads(range(250, 260))
    assert asked == [drive.id]
    drive.uploads(range(260, 270))
    assert asked == [drive.id]
    assert drive.driver.post(f"/sessions/{drive.id}/end", json={}).status_code == 200
    assert asked == [drive.id, drive.id]


def test_what_no_message_told_of_is_found(drive: Drive, asked: list[str]) -> None:
    drive.uploads(range(100))
    with drive.app.app_context():
        compact_due()
    assert drive.appended() == 100, "less than a block can wait"
    drive.uploads(range(100, 300))
    with drive.app.app_context():
        compact_due()
    assert drive.appended() == 0


def test_where_no_worker_comes_an_upload_puts_away_what_lies_there(
    drive: Drive, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "MAX_ROWS", 5)
    most = 0
    for first in range(0, 200, 10):
        drive.uploads(range(first, first + 10))
        most = max(most, drive.appended())
    assert most == 50
    drive.assert_true()


def test_a_deleted_drive_is_not_compacted_and_its_appended_readings_are_erased(drive: Drive) -> None:
    drive.uploads(range(300))
    assert drive.driver.delete(f"/sessions/{drive.id}").status_code == 204
    with drive.app.app_context():
        compact_due()
        assert drive.chunked() == 0
        erase_deleted()
    assert drive.appended() == 0


@pytest.mark.parametrize("blob", [b"", b"\x01[]", b"\x02", b"\x02[{", b"\x03[]"])
def test_a_row_that_is_damaged_is_told_apart(blob: bytes) -> None:
    with pytest.raises(chunks.CorruptChunkError):
        chunks.unpack(blob)
