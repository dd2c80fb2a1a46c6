"""The listeners that keep the cache true: nobody calls an invalidation by hand.

A write is ``UPDATE`` → fence → ``COMMIT`` → fence → acknowledge → ask for a warm. These listeners do all but the
first, for every session of `db.session`, in the web process and in the worker alike:

1. *after_flush* notes what was written, with the versions that the database now holds (row locks are held from here
   on).
2. *before_commit* flushes what is left (it runs before the commit-time flush), and fences. What Redis does not take is
   written down as a debt, in this same transaction.
3. *after_transaction_end* fences again, when the connection to the database has been given back. The first fence may
   have been evicted, or have expired, while the commit took its time. If Redis does not take this one, the writer waits
   until the change may be acknowledged all the same (see `debts`).

A write that changes nothing, because the client repeats it, is a promise all the same: whoever did it first may have
died between its COMMIT and its fence. So it is *confirmed*: it goes through the whole procedure at the versions that
it has read.

The release of a savepoint fires the same events. It is acknowledged to nobody, so only the end of the outermost
transaction counts; but *before_commit* fences at each, because a COMMIT that releases an open savepoint looks the same
from here, and a fence too early only costs a round trip. A rollback leaves the first fence to expire, and so does a
COMMIT that failed, because its outcome is unknown.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog
from redis import RedisError
from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction, scoped_session

from webapp.cache import warming
from webapp.cache.debts import Owed, owe
from webapp.cache.redis import Cache, get_cache
from webapp.clock import boottime
from webapp.database import timeline_of

log = structlog.get_logger(__name__)

Fences = dict[str, int]
Changes = list[tuple[Any, bool]]
Declaration = Callable[[Session, Changes], Fences]

PENDING = "coherence.pending"


class BulkWriteRefused(RuntimeError):
    """A bulk insert, update or delete of a cached model: it would bump no version and fence nothing."""


@dataclass
class Pending:
    """What a transaction has to fence, and what has become of it so far."""

    floors: Fences = field(default_factory=dict)
    timeline: str | None = None
    turned: set[str] = field(default_factory=set)
    debts: list[str] = field(default_factory=list)
    committed_at: float | None = None

    def add(self, floors: Fences) -> None:
        """Have these keys fenced, at the highest floor that was asked for."""
        for key, floor in floors.items():
            self.floors[key] = max(floor, self.floors.get(key, 0))


class Coherence:
    """The cached models, what a change of each one fences, and which fenced keys the worker warms."""

    def __init__(self) -> None:
        self._declarations: dict[type, list[tuple[Declaration, Declaration]]] = {}
        self._warmed_prefixes: tuple[str, ...] = ()

    def declare(self, model: type, fences_of: Declaration, fences_unchanged: Declaration | None = None) -> None:
        """Say what changed rows of `model` fence.

        `fences_of(session, changes)` gets the changed objects, each with whether it was deleted, inside the flush, and
        returns the floor of every key. `fences_unchanged` does the same for objects that a repeated write left as they
        are; without it, `fences_of` changes nothing by itself and serves for both.
        """
        self._declarations.setdefault(model, []).append((fences_of, fences_unchanged or fences_of))

    def warm_after_change(self, *prefixes: str) -> None:
        """Have the worker warm the fenced keys that begin with one of these prefixes."""
        self._warmed_prefixes += prefixes

    def attach(self, session: scoped_session[Any]) -> None:
        """Listen to every session made by `session`."""
        event.listen(session, "after_flush", self._note)
        event.listen(session, "before_commit", self._fence_before_commit)
        event.listen(session, "after_commit", self._note_commit)
        event.listen(session, "after_transaction_end", self._fence_after_commit)
        event.listen(session, "do_orm_execute", self._refuse_bulk_write)

    def confirm(self, session: Session, unchanged: Any) -> None:
        """Fence, with the next commit, what is cached of a row, at the version that this transaction has read."""
        pending = _pending(session)
        for model, declarations in self._declarations.items():
            for _, fences_unchanged in declarations if isinstance(unchanged, model) else ():
                pending.add(fences_unchanged(session, [(unchanged, False)]))

    def _note(self, session: Session, _context: UOWTransaction) -> None:
        changed: Changes = [(obj, False) for obj in session.new]
        changed += [(obj, False) for obj in session.dirty if session.is_modified(obj)]
        changed += [(obj, True) for obj in session.deleted]
        pending = _pending(session)
        for model, declarations in self._declarations.items():
            of_model = [(obj, is_deleted) for obj, is_deleted in changed if isinstance(obj, model)]
            for fences_of, _ in declarations if of_model else ():
                pending.add(fences_of(session, of_model))

    def _fence_before_commit(self, session: Session) -> None:
        session.flush()
        pending = _pending(session)
        if not pending.floors:
            return
        connection = session.connection()
        pending.timeline = timeline_of(connection)
        # Not those of a savepoint before: it may have been rolled back.
        pending.debts = [] if _fenced(pending, "fence_before_commit") else owe(connection, pending.floors)

    def _note_commit(self, session: Session) -> None:
        if not session.in_nested_transaction():
            _pending(session).committed_at = boottime()

    def _fence_after_commit(self, session: Session, transaction: Any) -> None:
        if transaction.parent is not None:
            return
        pending: Pending | None = session.info.pop(PENDING, None)
        if pending is None or pending.committed_at is None or not pending.floors:
            return
        cache = get_cache()
        if _fenced(pending, "fence_after_commit"):
            if pending.debts:
                cache.debts.forget(pending.debts)
        else:
            cache.trust.watch()  # A process that only writes need not wait each time, if it does.
            owed = Owed(pending.floors, pending.timeline, pending.debts, pending.committed_at)
            cache.debts.wait(owed, may_try=lambda: not cache.trust.is_out_of_reach)
        warm = [key for key in pending.turned if key.startswith(self._warmed_prefixes)]
        if warm:
            warming.ask(warm)

    def _refuse_bulk_write(self, state: ORMExecuteState) -> None:
        if not (state.is_insert or state.is_update or state.is_delete):
            return
        table = getattr(state.statement, "table", None)
        for model in self._declarations:
            # Equal, not the same: update(Model) carries an annotated copy of the model's table.
            if table == model.__table__ and not state.execution_options.get(CHANGES_NOTHING_CACHED):  # type: ignore[attr-defined]
                raise BulkWriteRefused(
                    f"A bulk insert, update or delete of {model.__name__} bumps no version and fences no cached entry. "
                    "Change the objects one by one, or, if no column that is shown changes, say so with "
                    f"execution_options({CHANGES_NOTHING_CACHED}=True)."
                )


CHANGES_NOTHING_CACHED = "changes_nothing_cached"

coherence = Coherence()


def _pending(session: Session) -> Pending:
    pending: Pending = session.info.setdefault(PENDING, Pending())
    return pending


def _fenced(pending: Pending, operation: str) -> bool:
    """Fence, and say whether Redis took it. While it is known to be out of reach, nobody waits for it to say no."""
    cache: Cache = get_cache()
    if cache.trust.is_out_of_reach:
        return False
    try:
        pending.turned |= cache.entries.fence(pending.floors, pending.timeline)
    except RedisError as error:
        cache.trust.doubt(error, operation=operation)
        return False
    return True


def versions(key: Callable[[str], str], deleted: int) -> Declaration:
    """Make the declaration of a model whose row is cached under `key(id)` at its `version`."""

    def fences_of(_session: Session, changes: Iterable[tuple[Any, bool]]) -> Fences:
        return {key(obj.id): deleted if is_deleted else obj.version for obj, is_deleted in changes}

    return fences_of
