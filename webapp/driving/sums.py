"""The running sums of a drive, kept with its session: what all its readings amount to, and the root of their tree.

An upload in order, into the last block, is joined to the sums and needs nothing else of the drive. Any other one
changes the tree (see `tree`), from the blocks that it touches upwards.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from webapp.driving import chunk_rows, chunks, tree
from webapp.driving.chunk_rows import Content
from webapp.driving.chunks import Reading
from webapp.driving.partials import Partial, appended, partial
from webapp.driving.tree_rows import TreeRows
from webapp.models import DrivingSession

# {"readings": how many, "blocks": how many, "root": tree.Child}
Sums = dict[str, Any]


def of(connection: Connection, session: DrivingSession) -> Sums | None:
    """Return the sums of a locked session, None before its first reading.

    A version of this application that knows no sums may have taken readings in beside us: then all is summed up anew.
    """
    if session.readings_count == 0 or (session.sums or {}).get("readings") == session.readings_count:
        return session.sums
    return summed_up(connection, session.id)


def whole(sums: Sums) -> Partial:
    """Return the partial of the whole drive."""
    partial_of_all: Partial = sums["root"]["sums"]
    return partial_of_all


def grown(sums: Sums, readings: Sequence[Reading]) -> Sums:
    """Return the sums after readings that all have higher seqs, and fall into the last block."""
    root = {**sums["root"], "sums": appended(whole(sums), readings)}
    return {**sums, "readings": sums["readings"] + len(readings), "root": root}


def changed(
    connection: Connection, session_id: str, sums: Sums | None, partials: Mapping[int, Partial], counts: tuple[int, int]
) -> Sums:
    """Return the sums after blocks got these partials, those of the last block until now among them.

    `counts` is by how many readings and blocks the drive grew.
    """
    rows = TreeRows(connection, session_id)
    root = sums["root"] if sums else _first_leaf(partials)
    rows.fetch(root["place"], partials)
    root = tree.changed(rows, root, partials)
    rows.write()
    readings, blocks = (sums["readings"], sums["blocks"]) if sums else (0, 0)
    return {"readings": readings + counts[0], "blocks": blocks + counts[1], "root": root}


def summed_up(connection: Connection, session_id: str) -> Sums:
    """Sum up a drive from all its chunks, of which there is at least one, and write its tree anew."""
    partials: dict[int, Partial] = {}
    readings = 0
    for block, chunk in chunk_rows.read_all(connection, session_id):
        held = chunks.decode(chunk.data)
        readings += len(held)
        partials[block] = partial(held.values())
    # Of partials that are stored, only the last block's is read again.
    last = Content(block, len(held), chunk.data, partials[block])
    chunk_rows.write(connection, session_id, [last], known=[block])
    rows = TreeRows(connection, session_id)
    rows.delete()
    root = tree.changed(rows, _first_leaf(partials), partials)
    rows.write()
    return {"readings": readings, "blocks": len(partials), "root": root}


def _first_leaf(partials: Mapping[int, Partial]) -> tree.Child:
    block, sums = next(iter(partials.items()))
    return tree.leaf(block, sums)
