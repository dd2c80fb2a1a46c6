"""Appended readings in the database: a row for each upload in order, until they lie in chunks."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, delete, insert, select

from webapp.models import AppendedReadings
from webapp.readings import chunks
from webapp.readings.chunks import Reading

_TABLE = AppendedReadings.__table__
_OF_SESSION = _TABLE.c.session_id == bindparam("of_session")
# Built once: to build them takes as long as to run them.
INSERT = insert(AppendedReadings).values({column.name: bindparam(f"appended_{column.name}") for column in _TABLE.c})
"""Takes the parameters that `parameters` makes."""
_OLDEST = select(_TABLE.c.first_seq, _TABLE.c.data).where(_OF_SESSION).order_by(_TABLE.c.first_seq)
_OLDEST = _OLDEST.limit(bindparam("at_most"))
_DELETE = delete(AppendedReadings).where(_OF_SESSION, _TABLE.c.first_seq <= bindparam("up_to"))


ALL = 2**31


class Appended(NamedTuple):
    """The readings of some rows, in order, and the key of the last row."""

    readings: list[Reading]
    rows: int
    up_to: int


def parameters(session_id: str, readings: Sequence[Reading]) -> dict[str, Any]:
    """Return what `INSERT` takes, of readings in order."""
    return {
        "appended_session_id": session_id,
        "appended_first_seq": readings[0]["seq"],
        "appended_readings_count": len(readings),
        "appended_data": chunks.pack(readings),
    }


def read(connection: Connection, session_id: str, rows: int, blocks: int) -> Appended:
    """Return the readings of so many rows at most, the oldest ones, of about so many blocks at most, but of one row."""
    taken, touched = Appended([], 0, -1), set[int]()
    for row in connection.execute(_OLDEST, {"of_session": session_id, "at_most": rows}).all():
        readings = chunks.unpack(row.data)
        touched |= {chunks.block_of(reading["seq"]) for reading in readings}
        if taken.rows and len(touched) > blocks:
            break
        taken = Appended(taken.readings + readings, taken.rows + 1, row.first_seq)
    return taken


def read_all(connection: Connection, session_id: str) -> list[Reading]:
    """Return the readings of all rows, in order."""
    return read(connection, session_id, ALL, ALL).readings


def remove(connection: Connection, session_id: str, up_to: int) -> None:
    """Delete the rows up to this key: their readings lie in chunks."""
    connection.execute(_DELETE, {"of_session": session_id, "up_to": up_to})
