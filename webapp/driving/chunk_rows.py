"""Chunks in the database: read and written by block, a few at a time."""

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, insert, select, update

from webapp.models import ReadingChunk
from webapp.readings.partials import Partial

AT_ONCE = 64
"""How many chunks of a drive are read at once when all of them are."""

_TABLE = ReadingChunk.__table__
_COLUMNS = (_TABLE.c.block, _TABLE.c.data, _TABLE.c.partial)
# Built once: to build them takes as long as to run them.
_OF_BLOCKS = select(*_COLUMNS).where(
    _TABLE.c.session_id == bindparam("session_id"), _TABLE.c.block.in_(bindparam("blocks", expanding=True))
)
_AFTER = (
    select(*_COLUMNS)
    .where(_TABLE.c.session_id == bindparam("session_id"), _TABLE.c.block > bindparam("after"))
    .order_by(_TABLE.c.block)
    .limit(AT_ONCE)
)
_CONTENT: dict[str, Any] = {name: bindparam(name) for name in ("readings_count", "data", "partial")}
_INSERT = insert(ReadingChunk).values(session_id=bindparam("of_session"), block=bindparam("of_block"), **_CONTENT)
_UPDATE = (
    update(ReadingChunk)
    .where(_TABLE.c.session_id == bindparam("of_session"), _TABLE.c.block == bindparam("of_block"))
    .values(**_CONTENT)
)


class Chunk(NamedTuple):
    """What is kept of one block."""

    data: bytes
    partial: Partial


class Content(NamedTuple):
    """What is to be kept of one block."""

    block: int
    readings_count: int
    data: bytes
    partial: Partial


def read(connection: Connection, session_id: str, blocks: Collection[int]) -> dict[int, Chunk]:
    """Return those of these blocks that are there."""
    rows = connection.execute(_OF_BLOCKS, {"session_id": session_id, "blocks": list(blocks)})
    return {row.block: Chunk(row.data, row.partial) for row in rows}


def read_all(connection: Connection, session_id: str) -> Iterator[tuple[int, Chunk]]:
    """Yield every block of a drive in order, `AT_ONCE` for a statement."""
    after = -1
    while rows := connection.execute(_AFTER, {"session_id": session_id, "after": after}).all():
        yield from ((row.block, Chunk(row.data, row.partial)) for row in rows)
        after = rows[-1].block


def write(connection: Connection, session_id: str, contents: Collection[Content], known: Collection[int]) -> None:
    """Keep these blocks; `known` are those that are there already."""
    rows = [{"of_session": session_id, "of_block": content.block, **content._asdict()} for content in contents]
    for statement, is_known in ((_UPDATE, True), (_INSERT, False)):
        if chosen := [row for row in rows if (row["of_block"] in known) is is_known]:
            connection.execute(statement, chosen)
