"""All readings of a drive, in order, each once: those in its chunks, and those that were appended and wait."""

from collections.abc import Iterator

from sqlalchemy import Connection

from webapp.driving import append_rows, chunk_rows
from webapp.readings import chunks
from webapp.readings.chunks import Reading


def of(connection: Connection, session_id: str) -> Iterator[Reading]:
    """Yield the readings of a drive by seq. Each statement sees what was committed when it began.

    What was appended is read first: put into chunks meanwhile, it is met twice, and told once. In the other order it
    would be missed. It is bounded, and held in memory; chunks are read a few at a time.
    """
    waiting = {reading["seq"]: reading for reading in append_rows.read_all(connection, session_id)}
    for block, chunk in chunk_rows.read_all(connection, session_id):
        held = chunks.decode(chunk.data)
        of_block = [seq for seq in waiting if chunks.block_of(seq) == block]
        held.update((seq, waiting.pop(seq)) for seq in of_block)
        yield from (held[seq] for seq in sorted(held))
    yield from waiting.values()
