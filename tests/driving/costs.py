"""What an upload costs, counted: nothing here depends on how busy the machine is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine, event

from webapp.readings import chunks


@dataclass
class Cost:
    """What was asked of the database, and how many chunks were decoded."""

    statements: int = 0
    rows_read: int = 0
    bytes_read: int = 0
    rows_written: int = 0
    decoded: int = 0


@contextmanager
def counted(engine: Engine, patch: pytest.MonkeyPatch) -> Iterator[Cost]:
    """Count what the block costs."""
    cost = Cost()
    decode = chunks.decode

    def note(_connection: Any, cursor: Any, statement: str, parameters: Any, _context: Any, executemany: bool) -> None:
        cost.statements += 1
        result = cursor.pgresult
        if result is not None and result.nfields:
            cost.rows_read += result.ntuples
            values = (result.get_value(row, field) for row in range(result.ntuples) for field in range(result.nfields))
            cost.bytes_read += sum(len(value) for value in values if value is not None)
        if not statement.startswith("SELECT"):
            written = parameters if executemany else [parameters]
            cost.rows_written += len(written)

    def decoding(blob: bytes) -> Any:
        cost.decoded += 1
        return decode(blob)

    event.listen(engine, "after_cursor_execute", note)
    with patch.context() as decoder:
        decoder.setattr(chunks, "decode", decoding)
        try:
            yield cost
        finally:
            event.remove(engine, "after_cursor_execute", note)
