"""Drives that an older version took in are summed up when the database is migrated, on both databases."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import flask_migrate
import pytest
import sqlalchemy as sa
from flask import Flask

from tests.e2e.test_migrations import app_on_an_empty_database as app_on_an_empty_database  # A fixture.
from webapp.clock import EPOCH, utcnow
from webapp.database import db
from webapp.driving import intake, sessions, sums
from webapp.models import ReadingSums
from webapp.readings.chunks import Reading, block_of, encode
from webapp.readings.partials import partial
from webapp.readings.summary import Summary, summarize

BEGAN = utcnow() - timedelta(days=1)
BEGAN_MS = (BEGAN - EPOCH) // timedelta(milliseconds=1)

ID = sa.Uuid(as_uuid=False)
USERS = sa.table("users", sa.column("id", ID), *map(sa.column, ("password_hash", "full_name", "version")))
TIMES = ("started_at", "created_at", "updated_at", "last_contact_at")
USER_TIMES = ("created_at", "updated_at")


def readings_at(seqs: Iterable[int]) -> list[Reading]:
    # Every 50th reading's clock is three minutes behind.
    return [{"seq": n, "t": BEGAN_MS + (n % 10_000) * 1000 - 180_000 * (n % 50 == 49), "speed_mps": 10.0} for n in seqs]


def drive_of_before(seqs: Sequence[int]) -> tuple[str, str]:
    """Insert a driver and a drive as the version before did. Return their ids."""
    user_id, session_id = str(uuid4()), str(uuid4())
    insert("users", id=user_id, password_hash="-", full_name="-", version=1, **dict.fromkeys(USER_TIMES, BEGAN))
    insert(
        "driving_sessions",
        **{"id": session_id, "user_id": user_id, "status": "active", "tags": [], "summary": {}, "version": 1},
        **{"readings_count": len(seqs), "last_seq": max(seqs, default=None), **dict.fromkeys(TIMES, BEGAN)},
    )
    blocks: dict[int, dict[int, Reading]] = {}
    for reading in readings_at(seqs):
        blocks.setdefault(block_of(reading["seq"]), {})[reading["seq"]] = reading
    for block, rows in blocks.items():
        content = {"readings_count": len(rows), "data": encode(rows), "partial": {"of": "the version before"}}
        insert("reading_chunks", session_id=session_id, block=block, **content)
    db.session.commit()
    return user_id, session_id


def insert(table: str, **values: Any) -> None:
    types: dict[str, Any] = {"tags": sa.JSON(), "summary": sa.JSON(), "partial": sa.JSON()}
    types |= dict.fromkeys(("id", "user_id", "session_id"), ID)
    columns = [
        sa.column(name, sa.DateTime(timezone=True) if isinstance(value, datetime) else types.get(name))
        for name, value in values.items()
    ]
    db.session.connection().execute(sa.insert(sa.table(table, *columns)).values(values))


def upload(drive: tuple[str, str], rows: Iterable[Reading]) -> Summary:
    """Take readings in, and return the summary."""
    session = sessions.locked(*drive)
    batch = [dict(row) for row in rows]
    assert intake.take_in(session, batch)["accepted"] == len(batch)
    summary = session.summary
    db.session.rollback()
    return summary


def sums_of(drive: tuple[str, str]) -> Any:
    kept = sessions.locked(*drive).sums
    db.session.rollback()
    return kept


def test_drives_of_before_the_sums_are_summed_up(app_on_an_empty_database: Flask) -> None:
    flask_migrate.upgrade(revision="0002")
    drives = [range(600), range(3), range(0), range(0, 2**40, 2**35)]
    ids = [drive_of_before(seqs) for seqs in drives]
    flask_migrate.upgrade()

    for drive, seqs in zip(ids, drives, strict=True):
        before = readings_at(seqs)
        kept = sums_of(drive)
        summed_up = summarize(sums.whole(kept), "live")
        assert summed_up == summarize(partial(before) if before else None, "live")
        late = readings_at([2**41, 5_000])
        assert upload(drive, late) == summarize(partial([*before, *late]), "live")
        assert upload(drive, late[:1]) == summarize(partial([*before, *late[:1]]), "live")


def test_a_migration_that_was_cut_short_goes_on_where_it_stopped(
    app_on_an_empty_database: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    flask_migrate.upgrade(revision="0002")
    drives = [drive_of_before(range(600)) for _ in range(3)]
    summed_up: list[str] = []
    sum_up = sums.summed_up

    def end_after_two(connection: sa.Connection, session_id: str) -> Any:
        if len(summed_up) == 2:
            raise KeyboardInterrupt
        summed_up.append(session_id)
        return sum_up(connection, session_id)

    with monkeypatch.context() as cut_short, pytest.raises(KeyboardInterrupt):
        cut_short.setattr(sums, "summed_up", end_after_two)
        flask_migrate.upgrade()
    assert len(summed_up) == 2
    flask_migrate.upgrade()
    for drive in drives:
        assert sums_of(drive)


def test_a_drive_that_was_summed_up_halfway_is_summed_up_anew(app_on_an_empty_database: Flask) -> None:
    flask_migrate.upgrade()
    drive = drive_of_before(range(600))
    db.session.add(ReadingSums(session_id=drive[1], level=1, number=0, children=[{"half": "written"}]))
    db.session.commit()

    late = readings_at([700])
    assert upload(drive, late) == summarize(partial([*readings_at(range(600)), *late]), "live")


def test_what_the_version_before_takes_in_beside_this_one_is_not_lost(app_on_an_empty_database: Flask) -> None:
    flask_migrate.upgrade(revision="0002")
    drive = drive_of_before(range(300))
    flask_migrate.upgrade()
    chunk = {row["seq"]: row for row in readings_at(range(256))} | {255: {"seq": 255, "t": BEGAN_MS, "speed_mps": 99.0}}
    chunks = sa.table("reading_chunks", sa.column("data"), sa.column("block"))
    db.session.connection().execute(sa.update(chunks).where(chunks.c.block == 0).values(data=encode(chunk)))
    db.session.connection().execute(sa.text("UPDATE driving_sessions SET readings_count = readings_count + 1"))
    db.session.commit()

    assert upload(drive, readings_at([300]))["speed_max_mps"] == 99.0
