"""Merging readings into the chunks of a drive, and into its sums."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Connection

from webapp.driving import chunk_rows, sums
from webapp.driving.chunk_rows import Chunk, Content
from webapp.driving.sums import Sums
from webapp.driving.tree_rows import TreeRows
from webapp.models import DrivingSession
from webapp.readings import chunks
from webapp.readings.chunks import Reading
from webapp.readings.partials import appended, partial


class Merged(NamedTuple):
    """The readings of one block by seq: those that were there, and those that are new."""

    held: dict[int, Reading]
    fresh: dict[int, Reading]


def last_block(session: DrivingSession) -> set[int]:
    """Return the block of a drive's highest seq, as a set that is empty before the first reading."""
    return set() if session.last_seq is None else {chunks.block_of(session.last_seq)}


def merged(readings: Iterable[Reading], stored: Mapping[int, Chunk]) -> dict[int, Merged]:
    """Put readings beside those that are stored, and return the blocks in which some are new.

    The first of two readings with one seq counts.
    """
    by_block: dict[int, list[Reading]] = defaultdict(list)
    for reading in readings:
        by_block[chunks.block_of(reading["seq"])].append(reading)
    blocks = {}
    for block, offered in by_block.items():
        held = chunks.decode(stored[block].data) if block in stored else {}
        fresh = {reading["seq"]: reading for reading in reversed(offered) if reading["seq"] not in held}
        if fresh:
            blocks[block] = Merged(held, fresh)
    return blocks


def fresh_of(blocks: Mapping[int, Merged]) -> list[Reading]:
    """Return the readings that are new."""
    return [reading for block in blocks.values() for reading in block.fresh.values()]


def write(
    connection: Connection,
    session: DrivingSession,
    known: Sums | None,
    stored: Mapping[int, Chunk],
    blocks: Mapping[int, Merged],
) -> Sums:
    """Write blocks that have new readings, and return the drive's sums with these.

    `known` are its sums until now, and `stored` its chunks, as far as these blocks and the last one are among them.
    """
    last, fresh = last_block(session), fresh_of(blocks)
    is_in_order = blocks.keys() == last and all(reading["seq"] > (session.last_seq or 0) for reading in fresh)
    contents = list(_contents(stored, blocks, is_in_order))
    chunk_rows.write(connection, session.id, contents, stored)
    if known and is_in_order:
        return sums.grown(known, fresh)
    lagging = {block: stored[block].partial for block in last if known and known["lags"]}
    partials = {content.block: content.partial for content in contents}
    blobs = {block: chunk.data for block, chunk in stored.items()} | {each.block: each.data for each in contents}
    rows = TreeRows(connection, session.id, blobs)
    return sums.changed(rows, known, lagging | partials, len(fresh), len(partials.keys() - stored.keys()))


def _contents(stored: Mapping[int, Chunk], blocks: Mapping[int, Merged], is_in_order: bool) -> Iterator[Content]:
    for block, (held, fresh) in blocks.items():
        readings = held | fresh
        summed_up = appended(stored[block].partial, list(fresh.values())) if is_in_order else partial(readings.values())
        yield Content(block, len(readings), chunks.encode(readings), summed_up)
