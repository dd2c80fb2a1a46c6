"""The stored form of readings: one small compressed blob for each block of sequence numbers.

A reading with sequence number `seq` belongs to block `seq // CHUNK_SEQS`. An upload therefore touches only the blocks
of its own readings, in whatever order they arrive and however long the drive already is. Why chunks and not a row
each, with the measurements: docs/decisions/0002-readings-in-chunks.md.

A blob of a block is one byte, the format's version, then zlib over a JSON object of columns. `seq` and `t` are kept as
differences from the reading before, which in a steady recording are the same few digits again and again. JSON writes
a float as the shortest text that reads back as the same float, so the round trip is exact.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import orjson

CHUNK_SEQS = 256
FORMAT_VERSION = 1
PACKED_VERSION = 2
COMPRESSION_LEVEL = 1

# One reading: `seq`, `t` (integer milliseconds since 1970-01-01 UTC) and, under the names of the HTTP contract, the
# optional fields that were measured.
Reading = dict[str, Any]


class CorruptChunkError(Exception):
    """Say that a blob is damaged, cut short, or of a format that this version of the code does not know."""


def block_of(seq: int) -> int:
    """Return the number of the block that holds the reading `seq`."""
    return seq // CHUNK_SEQS


def encode(readings: Mapping[int, Reading]) -> bytes:
    """Pack the readings of one block, keyed by their `seq`.

    Every field that any of them has becomes a column; a field that none has costs nothing. Numbers must be finite:
    JSON has no NaN, and the request schema lets none in. Raise ValueError when there is no reading.
    """
    if not readings:
        raise ValueError("a chunk holds at least one reading")
    rows = [readings[seq] for seq in sorted(readings)]
    names = sorted(set().union(*rows) - {"seq", "t"})
    columns = {name: [row.get(name) for row in rows] for name in names}
    document = {
        "seq": _differences(row["seq"] for row in rows),
        "t": _differences(row["t"] for row in rows),
        "fields": {name: column for name, column in columns.items() if column.count(None) < len(rows)},
    }
    return bytes([FORMAT_VERSION]) + zlib.compress(orjson.dumps(document), COMPRESSION_LEVEL)


def decode(blob: bytes) -> dict[int, Reading]:
    """Unpack a chunk into its readings, keyed by `seq` in ascending order.

    A field without a value is left out of its reading. Raise CorruptChunkError for what `encode` did not write.
    """
    if blob[:1] != bytes([FORMAT_VERSION]):
        found = blob[:1].hex() or "missing"
        raise CorruptChunkError(f"chunk format {found}, expected {FORMAT_VERSION:02x}")
    try:
        document = orjson.loads(zlib.decompress(blob[1:]))
        seqs, times, fields = accumulate(document["seq"]), accumulate(document["t"]), document["fields"]
        names = ("seq", "t", *fields)
        rows = [dict(zip(names, row, strict=False)) for row in zip(seqs, times, *fields.values(), strict=True)]
        sparse = [name for name, column in fields.items() if None in column]
    except (zlib.error, KeyError, TypeError, ValueError) as error:
        raise CorruptChunkError(f"chunk of {len(blob)} bytes cannot be read: {error}") from error
    for name in sparse:
        for row in rows:
            if row[name] is None:
                del row[name]
    return {row["seq"]: row for row in rows}


def pack(readings: Sequence[Reading]) -> bytes:
    """Write the readings of an upload down as they came, until they are put into their blocks: no time for more."""
    return bytes([PACKED_VERSION]) + orjson.dumps(readings)


def unpack(blob: bytes) -> list[Reading]:
    """Return the readings that were packed. Raise CorruptChunkError for what `pack` did not write."""
    try:
        if blob[:1] != bytes([PACKED_VERSION]):
            raise ValueError(f"format {blob[:1].hex() or 'missing'}, expected {PACKED_VERSION:02x}")
        readings: list[Reading] = orjson.loads(blob[1:])
    except ValueError as error:
        raise CorruptChunkError(f"appended readings of {len(blob)} bytes cannot be read: {error}") from error
    return readings


def _differences(numbers: Iterable[int]) -> list[int]:
    """Return the first number, then each one's difference from the one before; `accumulate` is the inverse."""
    values = list(numbers)
    return [values[0], *(after - before for before, after in pairwise(values))]
