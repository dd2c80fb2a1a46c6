"""The running sums of a drive, kept with its session: what all its readings amount to, and where their tree is.

An upload in order is joined to the total and needs nothing else of the drive. The chunks, and the tree of sums over
them (see `tree`), follow when its readings are put into their blocks (`compaction`).
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from webapp.driving import chunk_rows
from webapp.driving.chunk_rows import Content
from webapp.driving.tree_rows import TreeRows
from webapp.readings import chunks, tree
from webapp.readings.chunks import Reading, block_of
from webapp.readings.partials import Partial, appended, partial

# readings, blocks: how many the drive has. total: the partial of all. tail: how many rows, and readings in them, were
# appended and lie in no chunk yet. root: the place of the tree's root, and last: the last block that is a chunk; both
# None before the first one.
Sums = dict[str, Any]

NO_TAIL = [0, 0]


def of(session: Any) -> Sums | None:
    """Return the sums of a session; None before its first reading, and where they do not count what the session does.

    A version of this application that knows no sums may have taken readings in beside us: then all must be summed up.
    """
    sums: Sums | None = session.sums
    if sums is None or sums["readings"] != session.readings_count:
        return None
    return sums if "total" in sums else _as_kept_now(sums, session.last_seq)


def _as_kept_now(sums: Sums, last_seq: int) -> Sums:
    """Return sums that were kept before there were appended readings."""
    root, last = sums["root"], block_of(last_seq)
    return _sums(sums["readings"], sums["blocks"], root["sums"], NO_TAIL, root["place"], last)


def _sums(
    readings: int, blocks: int, total: Partial, tail: list[int], root: Sequence[int] | None, last: int | None
) -> Sums:
    return {
        "readings": readings,
        "blocks": blocks,
        "total": total,
        "tail": tail,
        "root": root,
        "last": last,
    }


def whole(sums: Sums | None) -> Partial | None:
    """Return the partial of the whole drive, None before its first reading."""
    return sums["total"] if sums else None


def grown(sums: Sums | None, readings: Sequence[Reading], new_blocks: int) -> Sums:
    """Return the sums after a row was appended: readings that all have higher seqs."""
    if sums is None:
        return _sums(len(readings), new_blocks, partial(readings), [1, len(readings)], None, None)
    rows, appended_readings = sums["tail"]
    return {
        **sums,
        "readings": sums["readings"] + len(readings),
        "blocks": sums["blocks"] + new_blocks,
        "total": appended(sums["total"], readings),
        "tail": [rows + 1, appended_readings + len(readings)],
    }


def merged(sums: Sums | None, root: tree.Child, readings: int, blocks: int, last: int) -> Sums:
    """Return the sums after so many readings and blocks came into the chunks, and the tree got this root.

    Of a drive that has no tail: the root then sums up all of it.
    """
    before = sums or _sums(0, 0, root["sums"], NO_TAIL, None, None)
    last = last if before["last"] is None else max(last, before["last"])
    counts = before["readings"] + readings, before["blocks"] + blocks
    return _sums(*counts, root["sums"], before["tail"], root["place"], last)


def summed_up(connection: Connection, session_id: str) -> Sums | None:
    """Sum up a drive from all its chunks, and write its tree anew. None if it has no chunk."""
    partials: dict[int, Partial] = {}
    readings = 0
    for block, chunk in chunk_rows.read_all(connection, session_id):
        held = chunks.decode(chunk.data)
        readings += len(held)
        partials[block] = partial(held.values())
    if not partials:
        return None
    # Of partials that are stored, only the last block's is read again.
    last = Content(block, len(held), chunk.data, partials[block])
    chunk_rows.write(connection, session_id, [last], known=[block])
    rows = TreeRows(connection, session_id)
    rows.delete()
    return merged(None, rooted(rows, None, partials), readings, len(partials), block)


def rooted(rows: TreeRows, sums: Sums | None, partials: dict[int, Partial]) -> tree.Child:
    """Return the root of the tree after blocks got these partials; the last chunk's must be among them."""
    first, its_sums = next(iter(partials.items()))
    known = sums is not None and sums["root"] is not None
    root = {"place": sums["root"], "sums": None, "seen": None} if sums and known else tree.leaf(first, its_sums)
    rows.fetch(root["place"], partials)
    root = tree.changed(rows, root, partials)
    rows.write()
    return root
