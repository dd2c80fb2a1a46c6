"""A drive's documents, and how large they may be: they are kept in the cache, and read from it again and again.

The bounds are in bytes of JSON: one for all that a client writes into a document, and a smaller one for what of it
stands in lists, of which a page has up to a hundred rows. A document that is too large already, from before there were
bounds, may shrink.
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import orjson

from webapp.driving.schemas import SessionDocument, SessionRowDocument, SmallSummaryDocument, SummaryDocument
from webapp.http.errors import field_error
from webapp.http.json import document

MAX_DOCUMENT_BYTES = 16 * 1024
"""The contract's bound of a cached document."""

OF_THE_SERVER_BYTES = 1536
"""What ids, times, counts and the summary take at most, with all names."""

WRITTEN: Mapping[str, Any] = {"name": None, "notes": None, "tags": [], "vehicle": None, "device": None}
"""The columns that a client writes, and what stands there when it is erased."""

ROW_END = "}}"
"""The ends of the summary and of the session: what a list shows of a session is the beginning of its document."""
DETAILS = tuple(name for name in SummaryDocument.model_fields if name not in SmallSummaryDocument.model_fields)
UNLISTED = tuple(name for name in SessionDocument.model_fields if name not in SessionRowDocument.model_fields)

LISTED = tuple(name for name in WRITTEN if name in SessionRowDocument.model_fields)
MAX_LISTED_BYTES = 4 * 1024

BOUNDS = ((tuple(WRITTEN), MAX_DOCUMENT_BYTES - OF_THE_SERVER_BYTES), (LISTED, MAX_LISTED_BYTES))

Sizes = Mapping[str, int]


class SessionJson(NamedTuple):
    """The session of the HTTP contract as text. Its first `row_length` characters, and two braces, are what lists show
    of it: so a list is made of such texts, and none is read again.
    """

    text: str
    row_length: int


def session_json(session: Any) -> SessionJson:
    """Write the session of the HTTP contract, of a `DrivingSession` or of a row with its columns."""
    row = orjson.dumps(session_row(session)).decode().removesuffix(ROW_END)
    details = orjson.dumps({name: session.summary.get(name) for name in DETAILS}).decode()[1:]
    rest = orjson.dumps({name: getattr(session, name) for name in UNLISTED}).decode()[1:]
    return SessionJson(f"{row},{details},{rest}", len(row))


def session_row(session: Any) -> dict[str, Any]:
    """Return a session as it stands in a list: without notes, device and the summary's details."""
    summary = {name: session.summary.get(name) for name in SmallSummaryDocument.model_fields}
    return document(SessionRowDocument, session, summary=summary)


def sizes_of(session: Any) -> Sizes:
    """Return how many bytes of JSON each value takes that a client may write."""
    return {name: _bytes(getattr(session, name)) for name in WRITTEN}


def require_small(session: Any, before: Sizes) -> None:
    """Refuse (422) changes that make a document too large; `before` are its sizes until now, {} of a new one."""
    after = sizes_of(session)
    grown = [name for name in WRITTEN if after[name] > before.get(name, 0)]
    for names, bound in BOUNDS:
        size = _sum(after, names)
        if size > max(bound, _sum(before, names)):
            largest = max(set(grown) & set(names), key=lambda name: after[name])
            raise field_error(
                f"/{largest}",
                "document_too_large",
                f"{', '.join(names)} take {size} bytes of JSON together; at most {bound} are kept",
            )


def _sum(sizes: Sizes, names: Collection[str]) -> int:
    return sum(sizes.get(name, 0) for name in names)


def _bytes(value: Any) -> int:
    return len(orjson.dumps(value))
