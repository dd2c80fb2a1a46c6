"""Taking readings in: into chunks, and into the drive's summary. Works in `db.session` and commits nothing.

1. The session's row is locked, so that batches of one drive queue.
2. Readings out of bounds are rejected one by one; the rest are kept.
3. Each block of sequence numbers that the batch touches is decoded, merged and written back; a seq that is there
   already is a duplicate, whatever it says.
4. The summary is joined from the partials of all chunks.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import bindparam, case, insert, select, update

from webapp.clock import rfc3339, utcnow
from webapp.driving import chunks, summary
from webapp.driving.schemas import Reading
from webapp.driving.sessions import MAX_FUTURE, record_contact
from webapp.extensions import db
from webapp.http.errors import Conflict
from webapp.models import DrivingSession, ReadingChunk
from webapp.models.driving_session import ACTIVE

ACCEPTED_AFTER_END = timedelta(hours=24)
MAX_BEFORE_START = timedelta(minutes=5)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_TABLE = ReadingChunk.__table__
# Built once: to build them takes as long as to run them. The data, which is large, only of the blocks that are touched.
_CHUNKS = select(
    _TABLE.c.block,
    _TABLE.c.partial,
    case((_TABLE.c.block.in_(bindparam("touched", expanding=True)), _TABLE.c.data)).label("data"),
).where(_TABLE.c.session_id == bindparam("session_id"))
_CONTENT: dict[str, Any] = {name: bindparam(name) for name in ("readings_count", "data", "partial")}
_INSERT = insert(ReadingChunk).values(session_id=bindparam("of_session"), block=bindparam("of_block"), **_CONTENT)
_UPDATE = (
    update(ReadingChunk)
    .where(_TABLE.c.session_id == bindparam("of_session"), _TABLE.c.block == bindparam("of_block"))
    .values(**_CONTENT)
)


def take_in(session: DrivingSession, batch: Sequence[Reading]) -> dict[str, Any]:
    """Store a batch of a locked session and return its receipt. Raises 409 a day after the end."""
    now = utcnow()
    if session.closed_at is not None and now > session.closed_at + ACCEPTED_AFTER_END:
        raise Conflict("Readings are accepted for 24 hours after the end.", code="session_closed")
    kept, rejected = _sort_out(session, batch, now)
    accepted, partials = _store(session.id, kept)
    if accepted:
        _update(session, accepted, partials, now)
    else:
        record_contact(session.id, now)
    db.session.flush()
    return {
        "accepted": len(accepted),
        "duplicates": len(kept) - len(accepted),
        "rejected": rejected,
        "last_seq": session.last_seq,
        "session_version": session.version,
        "alerts": [],
        "server_time": rfc3339(now),
    }


def _sort_out(
    session: DrivingSession, batch: Sequence[Reading], now: datetime
) -> tuple[list[chunks.Reading], list[dict[str, Any]]]:
    earliest, latest = session.started_at - MAX_BEFORE_START, now + MAX_FUTURE
    kept, rejected = [], []
    for index, reading in enumerate(batch):
        if earliest <= reading.t <= latest:
            kept.append({**reading.model_dump(exclude_none=True), "t": _milliseconds(reading.t)})
        else:
            code = "too_far_in_the_future" if reading.t > latest else "before_the_start"
            rejected.append({"index": index, "seq": reading.seq, "code": code})
    return kept, rejected


def _store(session_id: str, kept: Sequence[chunks.Reading]) -> tuple[list[chunks.Reading], dict[int, summary.Partial]]:
    """Merge readings into their chunks. Return those that are new, and the partial of every chunk of the drive.

    The first of two readings with one seq counts.
    """
    by_block: dict[int, list[chunks.Reading]] = defaultdict(list)
    for reading in kept:
        by_block[chunks.block_of(reading["seq"])].append(reading)
    rows = db.session.connection().execute(_CHUNKS, {"session_id": session_id, "touched": list(by_block)}).all()
    partials = {row.block: row.partial for row in rows}
    blobs = {row.block: row.data for row in rows if row.data is not None}
    new: list[chunks.Reading] = []
    for block, readings in by_block.items():
        held = chunks.decode(blobs[block]) if block in blobs else {}
        fresh = {reading["seq"]: reading for reading in reversed(readings) if reading["seq"] not in held}
        if fresh:
            held |= fresh
            new += fresh.values()
            partials[block] = summary.partial(held.values())
            content = {"readings_count": len(held), "data": chunks.encode(held), "partial": partials[block]}
            place = {"of_session": session_id, "of_block": block}
            db.session.connection().execute(_UPDATE if block in blobs else _INSERT, place | content)
    return new, partials


def _update(
    session: DrivingSession,
    accepted: Sequence[chunks.Reading],
    partials: Mapping[int, summary.Partial],
    now: datetime,
) -> None:
    latest = EPOCH + timedelta(milliseconds=max(reading["t"] for reading in accepted))
    session.summary = _summary(session, partials)
    session.readings_count += len(accepted)
    session.last_seq = max(session.last_seq if session.last_seq is not None else -1, *(r["seq"] for r in accepted))
    session.last_reading_at = max(session.last_reading_at or latest, latest)
    session.updated_at = now
    session.last_contact_at = now


def _summary(session: DrivingSession, partials: Mapping[int, summary.Partial]) -> summary.Summary:
    status: Literal["live", "final"] = "live" if session.status == ACTIVE else "final"
    blocks, of_blocks = list(partials), list(partials.values())
    try:
        return summary.summarize(of_blocks, status)
    except summary.OverlappingPartialsError as overlap:
        # A device's clock was set back: chunks that overlap in time are summed up together, from their readings.
        overlapping = {position for group in overlap.groups for position in group}
        joined = [_partial_of(session.id, [blocks[position] for position in group]) for group in overlap.groups]
        apart = [partial for position, partial in enumerate(of_blocks) if position not in overlapping]
        return summary.summarize(apart + joined, status)


def _partial_of(session_id: str, blocks: Sequence[int]) -> summary.Partial:
    blobs = db.session.scalars(
        select(ReadingChunk.data).where(ReadingChunk.session_id == session_id, ReadingChunk.block.in_(blocks))
    )
    return summary.partial(reading for blob in blobs for reading in chunks.decode(blob).values())


def _milliseconds(moment: datetime) -> int:
    return round((moment - EPOCH) / timedelta(milliseconds=1))
