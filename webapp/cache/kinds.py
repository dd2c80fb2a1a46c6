"""What a kind of cached thing is. A kind declares its key, its loader and its version; `fills` and `coherence` do the
rest.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from webapp.cache.entries import Entry

MISSING = Entry(version=0, body="")
"""What is cached of a row that does not exist. A row that is inserted later begins at version 1, and fences it."""

MISSING_TTL_S = 30


@dataclass(frozen=True)
class Kind:
    """One kind of cached thing.

    key: the Redis key of an id. ttl_s: how long an entry lives, in s.
    load: the entries of many ids, in one SELECT of columns; an id without a row is left out.
    changed_since: (id, version) of every row changed at or after a time, for the reconciler.
    """

    name: str
    key: Callable[[str], str]
    ttl_s: Callable[[], int]
    load: Callable[[Connection, Sequence[str]], Mapping[str, Entry]]
    changed_since: Callable[[Connection, datetime], Iterable[tuple[str, int]]]
