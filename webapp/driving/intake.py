"""Taking readings in: into chunks, and into the drive's sums. Works in `db.session`; the route commits.

1. The session's row is locked, so that batches of one drive queue.
2. Readings out of bounds are rejected one by one; the rest are kept.
3. Each block of sequence numbers that the batch touches is decoded, merged and written back; a seq that is there
   already is a duplicate, whatever it says.
4. What is newer than all before, and falls into the last block, is joined to the drive's running sums. Anything else
   changes the tree of sums, from the blocks that it touches upwards.

So no upload costs more because the drive is long: it reads and writes the blocks that it touches, which are at most
MAX_BLOCKS_OF_BATCH, and a few nodes above each.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from webapp.clock import at_epoch_ms, epoch_ms, rfc3339, utcnow
from webapp.database import db
from webapp.driving import chunk_rows, merging, sums
from webapp.driving.schemas import ReadingDocument
from webapp.driving.sessions import MAX_FUTURE, note_contact, told
from webapp.http.errors import Conflict
from webapp.models import DrivingSession
from webapp.models.driving_session import ACTIVE
from webapp.readings import chunks
from webapp.readings.summary import summarize

ACCEPTED_AFTER_END = timedelta(hours=24)
MAX_BEFORE_START = timedelta(minutes=5)
MAX_BLOCKS_OF_BATCH = 16
"""The contract's bound. A batch of 1,000 readings in order touches five at most."""

MAX_BLOCKS_OF_DRIVE = 20_000
"""The contract's bound: 5 million readings in order, nearly 6 days at 10 Hz."""

# Readings, each with its place in the batch.
Placed = list[tuple[int, chunks.Reading]]
Rejected = list[dict[str, Any]]


def take_in(session: DrivingSession, batch: Sequence[ReadingDocument]) -> dict[str, Any]:
    """Store a batch of a locked session and return its receipt. Raises 409 a day after the end."""
    now = utcnow()
    if session.closed_at is not None and now > session.closed_at + ACCEPTED_AFTER_END:
        closed = Conflict("Readings are accepted for 24 hours after the end.", code="session_closed")
        raise told(session, closed)
    kept, rejected = _within_time(session, batch, now)
    kept, beyond = _within_blocks(kept, (), MAX_BLOCKS_OF_BATCH)
    kept, accepted, full = _store(session, kept)
    if accepted:
        _update(session, accepted, now)
    else:
        note_contact(session)
    db.session.flush()
    return {
        "accepted": len(accepted),
        "duplicates": len(kept) - len(accepted),
        "rejected": sorted(rejected + beyond + full, key=itemgetter("index")),
        "last_seq": session.last_seq,
        "session_version": session.version,
        "alerts": [],
        "server_time": rfc3339(now),
    }


def _within_time(session: DrivingSession, batch: Sequence[ReadingDocument], now: datetime) -> tuple[Placed, Rejected]:
    earliest, latest = session.started_at - MAX_BEFORE_START, now + MAX_FUTURE
    kept: Placed = []
    rejected: Rejected = []
    for index, reading in enumerate(batch):
        if earliest <= reading.t <= latest:
            kept.append((index, {**reading.model_dump(exclude_none=True), "t": epoch_ms(reading.t)}))
        else:
            code = "too_far_in_the_future" if reading.t > latest else "before_the_start"
            rejected.append({"index": index, "seq": reading.seq, "code": code})
    return kept, rejected


def _within_blocks(offered: Placed, known: Collection[int], room: int) -> tuple[Placed, Rejected]:
    """Reject the readings of blocks beyond those that are known and the first `room` others."""
    allowed = set(known)
    kept: Placed = []
    rejected: Rejected = []
    for index, reading in offered:
        block = chunks.block_of(reading["seq"])
        if block in allowed or len(allowed) - len(known) < room:
            allowed.add(block)
            kept.append((index, reading))
        else:
            rejected.append({"index": index, "seq": reading["seq"], "code": "seq_out_of_range"})
    return kept, rejected


def _store(session: DrivingSession, offered: Placed) -> tuple[Placed, list[chunks.Reading], Rejected]:
    """Merge readings into their chunks and the drive's sums.

    Return those that the drive has room for, those that are new, and the rejected ones.
    """
    connection = db.session.connection()
    known = sums.of(connection, session)
    touched = {chunks.block_of(reading["seq"]) for _, reading in offered}
    stored = chunk_rows.read(connection, session.id, touched | merging.last_block(session))
    kept, full = _within_blocks(offered, stored, MAX_BLOCKS_OF_DRIVE - (known["blocks"] if known else 0))
    blocks = merging.merged((reading for _, reading in kept), stored)
    if blocks:
        session.sums = merging.write(connection, session, known, stored, blocks)
    return kept, merging.fresh_of(blocks), full


def _update(session: DrivingSession, accepted: Sequence[chunks.Reading], now: datetime) -> None:
    latest = at_epoch_ms(max(reading["t"] for reading in accepted))
    session.summary = summarize(sums.whole(session.sums), "live" if session.status == ACTIVE else "final")
    session.readings_count += len(accepted)
    session.last_seq = max(session.last_seq if session.last_seq is not None else -1, *(r["seq"] for r in accepted))
    session.last_reading_at = max(session.last_reading_at or latest, latest)
    session.updated_at = now
    session.last_contact_at = now
