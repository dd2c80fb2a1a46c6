"""Paging, the same for every list: newest first, with an opaque cursor that is the sort key of the last row."""

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError
from sqlalchemy import ColumnElement, Connection, Select, literal, tuple_

from webapp.clock import EPOCH
from webapp.http.bodies import RequestQuery

Row = TypeVar("Row")

MAX_CURSOR_LENGTH = 200


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
        return Cursor(moment, str(UUID(id)))
    except (ValueError, OverflowError, OSError, binascii.Error) as error:
        raise ValueError("not a cursor of this list") from error


def _decoded(text: str) -> Cursor:
    try:
        return decode(text[: MAX_CURSOR_LENGTH + 1])
    except ValueError as error:
        raise PydanticCustomError("invalid_cursor", "is not a cursor of this list") from error


CursorParameter = Annotated[
    Cursor, PlainValidator(_decoded), WithJsonSchema({"type": "string", "maxLength": MAX_CURSOR_LENGTH})
]


class PageQuery(RequestQuery):
    """Which page of a list, and how long."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: CursorParameter | None = None


class Page(BaseModel, Generic[Row]):
    """Parent of the documents of lists."""

    data: list[Row]
    next_cursor: str | None
    has_more: bool


class Order(NamedTuple):
    """Columns by which a list is sorted, newest first: a time, and an id that tells two rows of one time apart."""

    moment: ColumnElement[Any]
    id: ColumnElement[Any]


def page(
    connection: Connection, query: Select[Any], order: Order, which: PageQuery, shown: Callable[[Any], dict[str, Any]]
) -> dict[str, Any]:
    """Read one page of `query`, in the form of the contract's lists; `shown` makes what is shown of a row."""
    if which.cursor is not None:
        last = tuple_(*(literal(value, column.type) for value, column in zip(which.cursor, order, strict=True)))
        query = query.where(tuple_(*order) < last)
    newest_first = query.order_by(*(column.desc() for column in order))
    rows = connection.execute(newest_first.limit(which.limit + 1)).all()
    on_page, has_more = rows[: which.limit], len(rows) > which.limit
    next_cursor = encode(Cursor(*(getattr(on_page[-1], str(column.key)) for column in order))) if has_more else None
    return {"data": [shown(row) for row in on_page], "next_cursor": next_cursor, "has_more": has_more}
