"""The tree of sums in the database: its nodes are read as they are asked for, and written at the end."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, tuple_, update

from webapp.driving import chunk_rows
from webapp.models import ReadingSums
from webapp.readings import chunks
from webapp.readings.chunks import Reading
from webapp.readings.tree import BITS, Child, Place

AT_ONCE = 256
"""Nodes that one statement asks for: PostgreSQL takes a statement only up to a depth."""

_TABLE = ReadingSums.__table__
_OF_PLACES = select(_TABLE.c.level, _TABLE.c.number, _TABLE.c.children).where(
    _TABLE.c.session_id == bindparam("session_id"),
    tuple_(_TABLE.c.level, _TABLE.c.number).in_(bindparam("places", expanding=True)),
)
_INSERT = insert(ReadingSums).values(
    session_id=bindparam("of_session"),
    level=bindparam("of_level"),
    number=bindparam("of_number"),
    children=bindparam("children"),
)
_UPDATE = (
    update(ReadingSums)
    .where(
        _TABLE.c.session_id == bindparam("of_session"),
        _TABLE.c.level == bindparam("of_level"),
        _TABLE.c.number == bindparam("of_number"),
    )
    .values(children=bindparam("children"))
)


def batched(places: Sequence[Place], size: int) -> Iterator[Sequence[Place]]:
    """Yield so many places at a time."""
    yield from (places[first : first + size] for first in range(0, len(places), size))


class TreeRows:
    """The tree of one drive, while its session's row is locked. `blobs` are chunks that are known already."""

    def __init__(self, connection: Connection, session_id: str, blobs: Mapping[int, bytes] | None = None) -> None:
        self._connection, self._session_id = connection, session_id
        self._blobs = dict(blobs or {})
        self._nodes: dict[Place, list[Child]] = {}
        self._stored: set[Place] = set()
        self._changed: set[Place] = set()

    def fetch(self, top: Place, blocks: Iterable[int]) -> None:
        """Read, at once, every node at or below the level of `top` that lies above one of these blocks."""
        levels = range(1, top[0] + 1)
        self._read({(level, block >> (BITS * level)) for block in blocks for level in levels})

    def children(self, place: Place) -> list[Child]:
        """Return the children of a node, in order."""
        if place not in self._nodes:
            self._read({place})
        return self._nodes[place]

    def put(self, place: Place, children: list[Child]) -> None:
        """Keep the children of a node."""
        self._nodes[place] = children
        self._changed.add(place)

    def readings(self, block: int) -> Iterable[Reading]:
        """Return the readings of a block."""
        if block not in self._blobs:
            self._blobs[block] = chunk_rows.read(self._connection, self._session_id, [block])[block].data
        return chunks.decode(self._blobs[block]).values()

    def write(self) -> None:
        """Write the nodes that were put."""
        rows: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
        for level, number in sorted(self._changed):
            place = {"of_session": self._session_id, "of_level": level, "of_number": number}
            rows[(level, number) in self._stored].append({**place, "children": self._nodes[level, number]})
        for statement, chosen in ((_UPDATE, rows[True]), (_INSERT, rows[False])):
            if chosen:
                self._connection.execute(statement, chosen)

    def delete(self) -> None:
        """Delete every node of the drive."""
        self._connection.execute(delete(ReadingSums).where(_TABLE.c.session_id == self._session_id))

    def _read(self, places: set[Place]) -> None:
        for some in batched(sorted(places), AT_ONCE):
            found = self._connection.execute(_OF_PLACES, {"session_id": self._session_id, "places": some})
            for row in found:
                self._nodes[row.level, row.number] = row.children
                self._stored.add((row.level, row.number))
