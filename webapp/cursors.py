"""Opaque cursors of lists: the sort key of the last row of a page."""

import base64
import binascii
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Cursor(NamedTuple):
    """Where a page ended: time and id of its last row."""

    moment: datetime
    id: str


def encode(cursor: Cursor) -> str:
    """Write a cursor as URL-safe text."""
    microseconds = round((cursor.moment - EPOCH).total_seconds() * 1_000_000)
    return base64.urlsafe_b64encode(f"{microseconds}.{cursor.id}".encode()).decode().rstrip("=")


def decode(text: str) -> Cursor:
    """Read a cursor back. Raises ValueError for anything that `encode` did not make."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        microseconds, id = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").split(".")
        moment = datetime.fromtimestamp(int(microseconds) / 1_000_000, UTC)
        cursor = Cursor(moment, str(UUID(id)))
    except (ValueError, OverflowError, OSError, binascii.Error) as error:
        raise ValueError("not a cursor of this list") from error
    return cursor
