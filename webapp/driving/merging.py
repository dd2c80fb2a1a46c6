"""Merging readings into the chunks of a drive, and into the tree of sums over them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Connection

from webapp.driving import chunk_rows, sums
from webapp.driving.chunk_rows import Chunk, Content
from webapp.driving.sums import Sums
from webapp.driving.tree_rows import TreeRows
from webapp.readings import chunks
from webapp.readings.chunks import Reading
from webapp.readings.partials import partial


class Merged(NamedTuple):
    """The readings of one block by seq: those that were there, and those that are new."""

    held: dict[int, Reading]
    fresh: dict[int, Reading]


def stored(
    connection: Connection, session_id: str, known: Sums | None, readings: Iterable[Reading]
) -> dict[int, Chunk]:
    """Read the chunks that readings fall into, and the last one, whose sums the tree needs."""
    touched = {chunks.block_of(reading["seq"]) for reading in readings}
    if known and known["last"] is not None:
        touched.add(known["last"])
    return chunk_rows.read(connection, session_id, touched) if touched else {}


def merge(
    connection: Connection, session_id: str, known: Sums | None, there: Mapping[int, Chunk], readings: Iterable[Reading]
) -> tuple[Sums | None, list[Reading]]:
    """Merge readings into the chunks that are `there` (see `stored`) and new ones.

    Return the sums of a drive that has no tail, which `known` are until now; and the readings that are new.
    """
    blocks = _merged(readings, there)
    if not blocks:
        return known, []
    contents = list(_contents(blocks))
    chunk_rows.write(connection, session_id, contents, there)
    partials = {content.block: content.partial for content in contents}
    if known and known["last"] is not None:
        partials.setdefault(known["last"], there[known["last"]].partial)
    blobs = {block: chunk.data for block, chunk in there.items()} | {each.block: each.data for each in contents}
    root = sums.rooted(TreeRows(connection, session_id, blobs), known, partials)
    fresh = [reading for block in blocks.values() for reading in block.fresh.values()]
    return sums.merged(known, root, len(fresh), len(blocks.keys() - there.keys()), max(blocks)), fresh


def _merged(readings: Iterable[Reading], there: Mapping[int, Chunk]) -> dict[int, Merged]:
    """Put readings beside those that are stored, and return the blocks in which some are new.

    The first of two readings with one seq counts.
    """
    by_block: dict[int, list[Reading]] = defaultdict(list)
    for reading in readings:
        by_block[chunks.block_of(reading["seq"])].append(reading)
    blocks = {}
    for block, offered in by_block.items():
        held = chunks.decode(there[block].data) if block in there else {}
        fresh = {reading["seq"]: reading for reading in reversed(offered) if reading["seq"] not in held}
        if fresh:
            blocks[block] = Merged(held, fresh)
    return blocks


def _contents(blocks: Mapping[int, Merged]) -> Iterator[Content]:
    for block, (held, fresh) in blocks.items():
        readings = held | fresh
        yield Content(block, len(readings), chunks.encode(readings), partial(readings.values()))
