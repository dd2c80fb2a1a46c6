"""What a kind of cached thing is, and which kinds an application has.

A room defines a kind in one file of its own (`cached_*.py`), and registers it when the application is made. Whatever
keeps the cache true and warm (`coherence`, `reconcile`, `drift`, `refresh_ahead`, `warming`) goes over the kinds that
are registered, and needs to know nothing else of them.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import orjson
from pydantic import TypeAdapter
from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from webapp.cache.entries import DELETED, Entry, Row
from webapp.models import Base, is_id

MISSING = Entry(version=0, body="")
"""What is cached of a row that does not exist. A row that is inserted later begins at version 1, and fences it."""

MISSING_TTL_S = 30

WORDS = ("title", "description", "examples")


class Change(NamedTuple):
    """A row that a transaction has written, as it is now.

    columns: the names of those that changed; None if the row is new.
    """

    row: Any
    columns: AbstractSet[str] | None
    is_deleted: bool = False

    def touches(self, *columns: str) -> bool:
        """Say whether the row is new or gone, or one of these columns has changed."""
        return self.columns is None or self.is_deleted or not self.columns.isdisjoint(columns)


Changes = Sequence[Change]

VersionsById = Mapping[str, int]


class Version(Protocol):
    """What tells whether a cached thing is old: a number in the database that rises with every change of it.

    Hashable: two that are equal stand for the same number.
    """

    @property
    def model(self) -> type[Base]:
        """The model whose changed rows make a thing of this kind old."""

    def of_changed(self, session: Session, changes: Changes) -> VersionsById:
        """Return what changed rows fence: the version that each thing has from now on. Asked inside the flush, once."""

    def of_unchanged(self, session: Session, row: Any) -> VersionsById:
        """Return the versions that things have as a transaction reads them: a repeated write left this row alone."""

    def changed_since(self, connection: Connection, since: datetime) -> Iterable[tuple[str, int]]:
        """Return id and version of everything that changed at or after a time."""


@dataclass(frozen=True)
class RowVersion:
    """The `version` of a row that is cached under its own id, and changed at `updated_at`."""

    model: type[Any]

    def of_changed(self, _session: Session, changes: Changes) -> VersionsById:
        """Return the versions of rows as they are after the flush."""
        return {change.row.id: DELETED if change.is_deleted else change.row.version for change in changes}

    def of_unchanged(self, _session: Session, row: Any) -> VersionsById:
        """Return the version of a row as it was read."""
        return {row.id: row.version}

    def changed_since(self, connection: Connection, since: datetime) -> Iterable[tuple[str, int]]:
        """Return id and version of every row that changed at or after a time."""
        rows = connection.execute(select(self.model.id, self.model.version).where(self.model.updated_at >= since))
        return [(row.id, row.version) for row in rows]


def no_reads(_connection: Connection, _user_id: str) -> Iterable[str]:
    """Return no ids."""
    return ()


@dataclass(frozen=True)
class Kind:
    """One kind of cached thing.

    name: for the logs. prefix: what its Redis keys begin with, up to a colon that is the only one.
    version: the model whose changes fence it, and how it is numbered.
    load: the entries of many ids, in one SELECT of columns; an id without a row is left out.
    entry: the same of a row that was just written, if the row is all that it is made of: its writer publishes it.
    shape: the types that a body is made from and parsed to. What was cached with other shapes counts as absent.
    layout: raised when a body is made otherwise from the same shapes.
    is_id: whether a text may be an id, and not what somebody else keeps under such a key.
    ttl_s: how long an entry lives, in s.
    is_exact: whether two loads at one version give the same body.
    is_warmed: whether the worker warms it after a change, and renews what is read before it expires.
    first_reads: the ids that a user who has just logged in will read.
    shown_with: of an entry, the kind and the ids of what it is shown together with: warmed with it.
    """

    name: str
    prefix: str
    version: Version
    load: Callable[[Connection, Sequence[str]], Mapping[str, Entry]]
    shape: tuple[type, ...]
    ttl_s: Callable[[], int]
    layout: int = 1
    is_id: Callable[[str], bool] = is_id
    is_exact: bool = True
    is_warmed: bool = False
    entry: Callable[[Any], Entry] | None = None
    first_reads: Callable[[Connection, str], Iterable[str]] = no_reads
    shown_with: Callable[[Entry], tuple["Kind", Iterable[str]]] | None = None

    def key(self, id: str) -> str:
        """Return the Redis key of an id."""
        return f"{self.prefix}{id}"

    def row(self, written: Any) -> Row:
        """Return what is published of a row that was just written. Only of a kind that has `entry`."""
        assert self.entry is not None
        entry = self.entry(written)
        return Row(entry, self.ttl_s() if entry.body else MISSING_TTL_S)


class Kinds:
    """The kinds of one application."""

    def __init__(self) -> None:
        self._by_prefix: dict[str, Kind] = {}
        self._by_version: dict[Version, list[Kind]] = {}
        self._shapes: dict[str, list[Any]] = {}

    def register(self, kind: Kind) -> None:
        """Add a kind. Raises ValueError for a prefix that is none, or is another kind's."""
        name, colon, rest = kind.prefix.partition(":")
        if not (name and colon) or rest or kind.prefix in self._by_prefix:
            raise ValueError(f"the prefix {kind.prefix!r} of the kind {kind.name} cannot be told from others")
        self._shapes[kind.prefix] = [
            kind.layout,
            *(_wordless(TypeAdapter(shape).json_schema()) for shape in kind.shape),
        ]
        self._by_version.setdefault(kind.version, []).append(kind)
        self._by_prefix[kind.prefix] = kind

    def by_kind(self, keys: Iterable[str]) -> list[tuple[Kind, list[str]]]:
        """Sort keys by their kinds, as ids. Those of no kind, and what others keep under such keys, are left out."""
        ids: dict[str, list[str]] = {}
        for key in keys:
            prefix, colon, id = key.partition(":")
            kind = self._by_prefix.get(prefix + colon)
            if kind is not None and kind.is_id(id):
                ids.setdefault(kind.prefix, []).append(id)
        return [(kind, ids[kind.prefix]) for kind in self if kind.prefix in ids]

    def by_version(self) -> Iterable[tuple[Version, list[Kind]]]:
        """Return the kinds by how they are numbered: several may have one version, which rises once for them all."""
        return self._by_version.items()

    def warmed(self, keys: Iterable[str]) -> list[str]:
        """Return those of many keys that the worker warms."""
        prefixes = tuple(kind.prefix for kind in self if kind.is_warmed)
        return [key for key in keys if key.startswith(prefixes)]

    def form(self) -> str:
        """Name the form that bodies have: another name for any other shapes."""
        return hashlib.sha256(orjson.dumps(self._shapes, option=orjson.OPT_SORT_KEYS)).hexdigest()[:8]

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._by_prefix.values())


def _wordless(schema: Any) -> Any:
    """Leave out what a shape says of itself in words: it changes no body."""
    if isinstance(schema, dict):
        told = {name: part for name, part in schema.items() if name not in WORDS or isinstance(part, dict)}
        return {name: _wordless(part) for name, part in told.items()}
    return [_wordless(part) for part in schema] if isinstance(schema, list) else schema
