"""The listeners that keep the cache true: nobody calls an invalidation by hand.

A write is ``UPDATE`` → fence → ``COMMIT`` → fence → acknowledge → ask for a warm. These listeners do all but the
first, for every session of `db.session`, in the web process and in the worker alike:

1. *after_flush* notes what was written, with the versions that the database now holds (row locks are held from here
   on).
2. *before_commit* flushes what is left (it runs before the commit-time flush), and fences.
3. *after_commit* fences again. The first fence may have been evicted, or have expired, while the commit took its time.

The release of a savepoint fires the same events. It is acknowledged to nobody, so *after_commit* counts for the
outermost transaction only; but *before_commit* fences at each, because a COMMIT that releases an open savepoint looks
the same from here, and a fence too early only costs a round trip. A rollback leaves the first fence to expire, and so
does a COMMIT that failed, because its outcome is unknown.
"""

from collections.abc import Callable, Iterable
from typing import Any

import structlog
from redis import RedisError
from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction, scoped_session

from webapp.cache import warming
from webapp.cache.redis import get_cache

log = structlog.get_logger(__name__)

Fences = dict[str, int]
Changes = list[tuple[Any, bool]]
Declaration = Callable[[Session, Changes], Fences]

FENCES, WARMS = "coherence.fences", "coherence.warms"


class BulkWriteRefused(RuntimeError):
    """A bulk insert, update or delete of a cached model: it would bump no version and fence nothing."""


class Coherence:
    """The cached models, what a change of each one fences, and which fenced keys the worker warms."""

    def __init__(self) -> None:
        self._declarations: dict[type, list[Declaration]] = {}
        self._warmed_prefixes: tuple[str, ...] = ()

    def declare(self, model: type, fences_of: Declaration) -> None:
        """Say what changed rows of `model` fence.

        `fences_of(session, changes)` gets the changed objects, each with whether it was deleted, inside the flush, and
        returns the floor of every key.
        """
        self._declarations.setdefault(model, []).append(fences_of)

    def warm_after_change(self, *prefixes: str) -> None:
        """Have the worker warm the fenced keys that begin with one of these prefixes."""
        self._warmed_prefixes += prefixes

    def attach(self, session: scoped_session[Any]) -> None:
        """Listen to every session made by `session`."""
        event.listen(session, "after_flush", self._note)
        event.listen(session, "before_commit", self._fence_before_commit)
        event.listen(session, "after_commit", self._fence_after_commit)
        event.listen(session, "after_transaction_end", self._forget)
        event.listen(session, "do_orm_execute", self._refuse_bulk_write)

    def _note(self, session: Session, _context: UOWTransaction) -> None:
        changed: Changes = [(obj, False) for obj in session.new]
        changed += [(obj, False) for obj in session.dirty if session.is_modified(obj)]
        changed += [(obj, True) for obj in session.deleted]
        fences: Fences = session.info.setdefault(FENCES, {})
        for model, declarations in self._declarations.items():
            of_model = [(obj, is_deleted) for obj, is_deleted in changed if isinstance(obj, model)]
            for fences_of in declarations if of_model else ():
                for key, floor in fences_of(session, of_model).items():
                    fences[key] = max(floor, fences.get(key, 0))

    def _fence_before_commit(self, session: Session) -> None:
        session.flush()
        session.info[WARMS] = session.info.get(WARMS, set()) | self._fence(session, operation="fence_before_commit")

    def _fence_after_commit(self, session: Session) -> None:
        if session.in_nested_transaction():
            return
        turned = session.info.pop(WARMS, set()) | self._fence(session, operation="fence_after_commit")
        warm = [key for key in turned if key.startswith(self._warmed_prefixes)] if self._warmed_prefixes else []
        if warm:
            warming.ask(warm)

    def _fence(self, session: Session, operation: str) -> set[str]:
        fences: Fences = session.info.get(FENCES, {})
        if not fences:
            return set()
        cache = get_cache()
        try:
            return cache.entries.fence(fences)
        except RedisError as error:
            # The write goes on. Nobody serves a value before the rows changed meanwhile have been compared: see
            # `trust`.
            cache.trust.doubt(error, operation=operation)
            return set()

    def _forget(self, session: Session, transaction: Any) -> None:
        if transaction.parent is None:
            session.info.pop(FENCES, None)
            session.info.pop(WARMS, None)

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


def versions(key: Callable[[str], str], deleted: int) -> Declaration:
    """Make the declaration of a model whose row is cached under `key(id)` at its `version`."""

    def fences_of(_session: Session, changes: Iterable[tuple[Any, bool]]) -> Fences:
        return {key(obj.id): deleted if is_deleted else obj.version for obj, is_deleted in changes}

    return fences_of
