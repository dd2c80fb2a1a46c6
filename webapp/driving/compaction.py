"""Putting appended readings into the chunks of their drive: the worker's work, a short transaction at a time.

What is put there, what is deleted from the appended rows and what the sums say of it is one COMMIT, under the lock of
the session's row: whoever dies before it has done nothing, a second worker leaves the drive to the first, and an upload
comes before it or after it. Nothing that is shown changes, so no version rises.
"""

from typing import Any

from sqlalchemy import Connection, func, or_, select

from webapp import jobs
from webapp.database import db, read_connection
from webapp.driving import append_rows, merging, session_rows, sums
from webapp.driving.append_rows import Appended
from webapp.driving.session_rows import SessionRow
from webapp.driving.sums import Sums
from webapp.models import AppendedReadings, DrivingSession
from webapp.readings.chunks import CHUNK_SEQS

DUE_READINGS = CHUNK_SEQS
"""So many appended readings are worth a compaction: a block's."""

ROWS = 256
"""Rows that one transaction moves at most."""

BLOCKS = 64
"""Blocks that these fall into at most, but for a row's own: each takes a path of the tree along."""

MAX_ROWS, MAX_READINGS = 256, 16 * CHUNK_SEQS
"""An upload that finds more lying there puts them into chunks itself: no worker has come for long."""


def is_overdue(tail: list[int]) -> bool:
    """Say whether more was appended than should ever lie there."""
    rows, readings = tail
    return rows >= MAX_ROWS or readings >= MAX_READINGS


def tail_of(session: Any) -> int:
    """Return how many readings of a session were appended and lie in no chunk yet."""
    known = sums.of(session)
    return known["tail"][1] if known else 0


def ask(session: SessionRow, tail_before: int = 0) -> None:
    """Ask the worker to compact a drive whose tail has grown by as much as a block, or that is closed."""
    tail = tail_of(session)
    if tail // DUE_READINGS > tail_before // DUE_READINGS or (tail and session.closed_at is not None):
        jobs.compact_readings(session.id)


def due(limit: int) -> list[str]:
    """Return the ids of drives with appended readings to be compacted: their messages may have been lost."""
    of_drive = func.sum(AppendedReadings.readings_count)
    query = (
        select(AppendedReadings.session_id)
        .join(DrivingSession, DrivingSession.id == AppendedReadings.session_id)
        .where(DrivingSession.deleted_at.is_(None))
        .group_by(AppendedReadings.session_id, DrivingSession.closed_at)
        .having(or_(of_drive >= DUE_READINGS, DrivingSession.closed_at.is_not(None)))
        .order_by(AppendedReadings.session_id)
        .limit(limit)
    )
    with read_connection() as connection:
        return list(connection.scalars(query))


def compact(session_id: str) -> bool:
    """Move the oldest appended readings of a drive into its chunks, and say whether there may be more to do.

    One that somebody else works on is left alone.
    """
    session = session_rows.lock_for_worker(session_id, DrivingSession.deleted_at.is_(None), waits=False)
    if session is None or (session.sums is None and not session.readings_count):
        return False
    known, connection = sums.of(session), db.session.connection()
    folded = fold(connection, session_id, known) if known else settled(connection, session)
    if folded is known or folded is None:
        return False
    session_rows.write_unseen(session, sums=folded)
    is_closed, (_, left) = session.closed_at is not None, folded["tail"]
    return bool(left >= (1 if is_closed else DUE_READINGS))


def fold(connection: Connection, session_id: str, known: Sums) -> Sums:
    """Put the oldest appended readings of a locked session into its chunks, and return its sums after that."""
    appended = append_rows.read(connection, session_id, ROWS, BLOCKS)
    if not appended.readings:
        return known
    merged = _put_into_chunks(connection, session_id, known, appended)
    assert merged is not None, "there are readings"
    rows, readings = known["tail"]
    tail = [rows - appended.rows, readings - len(appended.readings)]
    # The total counts them since they were appended.
    return {**known, "root": merged["root"], "last": merged["last"], "tail": tail}


def _put_into_chunks(connection: Connection, session_id: str, known: Sums | None, appended: Appended) -> Sums | None:
    """Move appended readings into chunks. Return the sums of what lies in these, which `known` are until now."""
    there = merging.stored(connection, session_id, known, appended.readings)
    merged, _ = merging.merge(connection, session_id, known, there, appended.readings)
    append_rows.remove(connection, session_id, appended.up_to)
    return merged


def settled(connection: Connection, session: Any) -> Sums | None:
    """Return the sums of a locked session with all of its readings in chunks: what comes late is then met there."""
    known = sums.of(session)
    if known is None and session.readings_count:
        return _summed_up(connection, session.id)
    while known and known["tail"][0]:
        folded = fold(connection, session.id, known)
        if folded is known:
            break
        known = folded
    return known


def _summed_up(connection: Connection, session_id: str) -> Sums | None:
    """Sum up anew a drive whose sums do not count what it does."""
    known = sums.summed_up(connection, session_id)
    while (appended := append_rows.read(connection, session_id, ROWS, BLOCKS)).readings:
        known = _put_into_chunks(connection, session_id, known, appended)
    return known


def compact_everything(connection: Connection) -> None:
    """Put all that was appended into chunks, for a version that knows no appended readings. Nobody else may write."""
    table = AppendedReadings.__table__
    while session_ids := connection.scalars(select(table.c.session_id).distinct().limit(ROWS)).all():
        for session_id in session_ids:
            _summed_up(connection, session_id)
