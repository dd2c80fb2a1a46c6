"""Rows of what was deleted, made in the database at once: as many as nobody would send over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
from flask import Flask
from sqlalchemy import event, func, insert, select

from webapp.batches import Budget
from webapp.cache.unnoted import NOT_NOTICED
from webapp.clock import utcnow
from webapp.database import db
from webapp.models import Base, DrivingSession, ReadingChunk, User, new_id

CHUNKS = """
INSERT INTO reading_chunks (session_id, block, readings_count, data, partial)
SELECT %s::uuid, block, 1, '\\x00', '{}' FROM generate_series(0, %s - 1) AS block
"""
DRIVES = """
INSERT INTO driving_sessions (id, user_id, status, name, tags, started_at, readings_count, summary, version,
  created_at, updated_at, last_contact_at)
SELECT gen_random_uuid(), %s::uuid, 'completed', 'secret', '["secret"]', now() - number * interval '1 hour', 1, '{}', 1,
  now(), now() - interval '1 day', now() FROM generate_series(1, %s) AS number
"""
A_CHUNK_EACH = """
INSERT INTO reading_chunks (session_id, block, readings_count, data, partial)
SELECT id, 0, 1, '\\x00', '{}' FROM driving_sessions WHERE user_id = %s::uuid AND name = 'secret'
"""


class OfAFewBatches(Budget):
    """A budget that is used up when it has been looked at a few times, however long that takes."""

    def __init__(self, looks: int = 3) -> None:
        self._looks = looks

    def is_left(self) -> bool:
        self._looks -= 1
        return self._looks >= 0


def fill(database_url: str, statement: str, *arguments: object) -> None:
    """Run a statement that takes its time, which the application's limits would not let it have."""
    with psycopg.connect(database_url.replace("postgresql+psycopg", "postgresql")) as connection:
        connection.execute(statement, arguments)


def a_deleted_drive(app: Flask, user_id: str, chunks: int = 0, days_ago: float = 0.0) -> str:
    """Store a deleted drive with so many tiny chunks, and return its id. On any database."""
    session_id, at = new_id(), utcnow() - timedelta(days=days_ago)
    row = {"id": session_id, "user_id": user_id, "status": "completed", "summary": {}, "tags": [], "version": 1}
    content = {"readings_count": 1, "data": b"\0", "partial": {}}
    with app.app_context():
        connection = db.session.connection()
        connection.execute(
            insert(DrivingSession),
            {**row, "deleted_at": at, "readings_count": chunks},
            execution_options=NOT_NOTICED,
        )
        if chunks:
            rows = [{"session_id": session_id, "block": block, **content} for block in range(chunks)]
            connection.execute(insert(ReadingChunk), rows)
        db.session.commit()
    return session_id


def a_deleted_account(app: Flask, days_ago: float) -> str:
    """Store a deleted account, and return its id."""
    user_id, at = new_id(), utcnow() - timedelta(days=days_ago)
    with app.app_context():
        row = {"id": user_id, "password_hash": "", "full_name": "", "is_active": False, "version": 2, "deleted_at": at}
        db.session.connection().execute(insert(User), row, execution_options=NOT_NOTICED)
        db.session.commit()
    return user_id


def count(app: Flask, model: type[Base]) -> int:
    """Count the rows of a table."""
    with app.app_context():
        return int(db.session.scalar(select(func.count()).select_from(model)) or 0)


@contextmanager
def deletions(app: Flask) -> Iterator[list[int]]:
    """Record how many rows each DELETE takes, of all that are made inside the block."""
    taken: list[int] = []

    def note(_connection: object, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("DELETE"):
            taken.append(cursor.rowcount)  # type: ignore[attr-defined]

    with app.app_context():
        engine = db.engine
    event.listen(engine, "after_cursor_execute", note)
    yield taken
    event.remove(engine, "after_cursor_execute", note)
