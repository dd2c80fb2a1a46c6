"""Taking readings in: appended to the drive, or put into its chunks. Works in `db.session`; the route commits.

1. The session's row is locked, so that batches of one drive queue.
2. Readings out of bounds are rejected one by one; the rest are kept.
3. *In order*: what is newer than all before cannot be there already. It is appended as it came, a row for the batch,
   and joined to the drive's running sums. Nothing else of the drive is read. The worker puts it into chunks later.
4. *Anything else*: what was appended is put into chunks first. Then each block of sequence numbers that the batch
   touches is decoded, merged and written back; a seq that is there already is a duplicate, whatever it says. The tree
   of sums changes from these blocks upwards.

So no upload costs more because the drive is long: it reads and writes the blocks that it touches, which are at most
MAX_BLOCKS_OF_BATCH, a few nodes above each, and what lies appended, which is bounded too.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from webapp.clock import at_epoch_ms, epoch_ms, rfc3339, utcnow
from webapp.database import db
from webapp.driving import append_rows, compaction, merging, session_rows, sums
from webapp.driving.session_rows import SessionRow
from webapp.driving.sessions import MAX_FUTURE, note_contact, told
from webapp.driving.sums import Sums
from webapp.http.errors import Conflict
from webapp.models.driving_session import ACTIVE
from webapp.readings.chunks import Reading, block_of
from webapp.readings.summary import summarize

ACCEPTED_AFTER_END = timedelta(hours=24)
MAX_BEFORE_START = timedelta(minutes=5)
MAX_BLOCKS_OF_BATCH = 16
"""The contract's bound. A batch of 1,000 readings in order touches five at most."""

MAX_BLOCKS_OF_DRIVE = 20_000
"""The contract's bound: 5 million readings in order, nearly 6 days at 10 Hz."""

# Readings, each with its place in the batch.
Placed = list[tuple[int, Reading]]
Rejected = list[dict[str, Any]]


def take_in(session: SessionRow, batch: Sequence[Reading]) -> dict[str, Any]:
    """Store a batch of a locked session and return its receipt. Raises 409 a day after the end."""
    now = utcnow()
    if session.closed_at is not None and now > session.closed_at + ACCEPTED_AFTER_END:
        closed = Conflict("Readings are accepted for 24 hours after the end.", code="session_closed")
        raise told(session, closed)
    kept, rejected = _within_time(session, batch, now)
    kept, beyond = _within_blocks(kept, (), MAX_BLOCKS_OF_BATCH)
    known = sums.of(session)
    is_in_order = _is_in_order(session, known, kept)
    kept, accepted, full = _append(session, known, kept, now) if is_in_order else _merge(session, kept, now)
    if not accepted:
        note_contact(session)
    return {
        "accepted": len(accepted),
        "duplicates": len(kept) - len(accepted),
        "rejected": sorted(rejected + beyond + full, key=itemgetter("index")),
        "last_seq": session.last_seq,
        "session_version": session.version,
        "alerts": [],
        "server_time": rfc3339(now),
    }


def _within_time(session: SessionRow, batch: Sequence[Reading], now: datetime) -> tuple[Placed, Rejected]:
    earliest, latest = epoch_ms(session.started_at - MAX_BEFORE_START), epoch_ms(now + MAX_FUTURE)
    kept: Placed = []
    rejected: Rejected = []
    for index, reading in enumerate(batch):
        if earliest <= reading["t"] <= latest:
            kept.append((index, reading))
        else:
            code = "too_far_in_the_future" if reading["t"] > latest else "before_the_start"
            rejected.append({"index": index, "seq": reading["seq"], "code": code})
    return kept, rejected


def _within_blocks(offered: Placed, known: Collection[int], room: int) -> tuple[Placed, Rejected]:
    """Reject the readings of blocks beyond those that are known and the first `room` others."""
    allowed = set(known)
    kept: Placed = []
    rejected: Rejected = []
    for index, reading in offered:
        block = block_of(reading["seq"])
        if block in allowed or len(allowed) - len(known) < room:
            allowed.add(block)
            kept.append((index, reading))
        else:
            rejected.append({"index": index, "seq": reading["seq"], "code": "seq_out_of_range"})
    return kept, rejected


def _is_in_order(session: SessionRow, known: Sums | None, offered: Placed) -> bool:
    if session.last_seq is None:
        return bool(offered)
    if known is None or compaction.is_overdue(known["tail"]):
        return False
    return bool(offered) and min(reading["seq"] for _, reading in offered) > session.last_seq


Stored = tuple[Placed, list[Reading], Rejected]
"""The readings that the drive has room for, those that are new, and the rejected ones."""


def _append(session: SessionRow, known: Sums | None, offered: Placed, now: datetime) -> Stored:
    last = () if session.last_seq is None else (block_of(session.last_seq),)
    kept, full = _within_blocks(offered, last, MAX_BLOCKS_OF_DRIVE - (known["blocks"] if known else 0))
    # The first of two readings with one seq counts.
    by_seq = {reading["seq"]: reading for _, reading in reversed(kept)}
    fresh = [by_seq[seq] for seq in sorted(by_seq)]
    if fresh:
        new_blocks = len({block_of(seq) for seq in by_seq}.difference(last))
        row = append_rows.parameters(session.id, fresh)
        changes = _changes(session, sums.grown(known, fresh, new_blocks), fresh, now)
        session_rows.write(session, changes, appended=row)
    return kept, fresh, full


def _merge(session: SessionRow, offered: Placed, now: datetime) -> Stored:
    connection = db.session.connection()
    known = compaction.settled(connection, session)
    there = merging.stored(connection, session.id, known, (reading for _, reading in offered))
    kept, full = _within_blocks(offered, there, MAX_BLOCKS_OF_DRIVE - (known["blocks"] if known else 0))
    merged, fresh = merging.merge(connection, session.id, known, there, (reading for _, reading in kept))
    if fresh and merged:
        session_rows.write(session, _changes(session, merged, fresh, now))
    elif merged is not session.sums:  # What was appended is in chunks now, though nothing is new.
        session_rows.write_unseen(session, sums=merged)
    return kept, fresh, full


def _changes(session: SessionRow, known: Sums, fresh: Sequence[Reading], now: datetime) -> dict[str, Any]:
    latest = at_epoch_ms(max(reading["t"] for reading in fresh))
    highest = max(reading["seq"] for reading in fresh)
    return {
        "sums": known,
        "summary": summarize(sums.whole(known), "live" if session.status == ACTIVE else "final"),
        "readings_count": session.readings_count + len(fresh),
        "last_seq": highest if session.last_seq is None else max(session.last_seq, highest),
        "last_reading_at": max(session.last_reading_at or latest, latest),
        "last_contact_at": now,
    }
