"""The running sums of a drive, kept with its session: what all its readings amount to, and the root of their tree.

An upload in order, into the last block, is joined to the sums and needs nothing else of the drive. Any other one
changes the tree (see `tree`), from the blocks that it touches upwards.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from webapp.driving import chunk_rows
from webapp.driving.chunk_rows import Content
from webapp.driving.tree_rows import TreeRows
from webapp.models import DrivingSession
from webapp.readings import chunks, tree
from webapp.readings.chunks import Reading
from webapp.readings.partials import Partial, appended, partial

# {"readings": how many, "blocks": how many, "root": tree.Child, "lags": whether the tree lags for the last block}
Sums = dict[str, Any]


def of(connection: Connection, session: DrivingSession) -> Sums | None:
    """Return the sums of a locked session, None before its first reading.

    A version of this application that knows no sums may have taken readings in beside us: then all is summed up anew.
    """
    if session.readings_count == 0 or (session.sums or {}).get("readings") == session.readings_count:
        return session.sums
    return summed_up(connection, session.id)


def whole(sums: Sums | None) -> Partial | None:
    """Return the partial of the whole drive, None before its first reading."""
    return sums["root"]["sums"] if sums else None


def grown(sums: Sums, readings: Sequence[Reading]) -> Sums:
    """Return the sums after readings that all have higher seqs, and fall into the last block."""
    root = {**sums["root"], "sums": appended(sums["root"]["sums"], readings)}
    return {**sums, "readings": sums["readings"] + len(readings), "root": root, "lags": True}


def changed(rows: TreeRows, sums: Sums | None, partials: Mapping[int, Partial], readings: int, blocks: int) -> Sums:
    """Return the sums after blocks got these partials, and the drive grew by so many readings and blocks.

    The last block until now must be among them if the tree lags behind for it.
    """
    root = sums["root"] if sums else _first_leaf(partials)
    rows.fetch(root["place"], partials)
    root = tree.changed(rows, root, partials)
    rows.write()
    if sums:
        readings, blocks = readings + sums["readings"], blocks + sums["blocks"]
    return {"readings": readings, "blocks": blocks, "root": root, "lags": False}


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
    return changed(rows, None, partials, readings, len(partials))


def _first_leaf(partials: Mapping[int, Partial]) -> tree.Child:
    block, sums = next(iter(partials.items()))
    return tree.leaf(block, sums)
