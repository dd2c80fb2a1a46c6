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

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import structlog
from redis import RedisError
from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction, UOWTransaction

from webapp.cache import warm_requests
from webapp.cache.debts import Owed, owe
from webapp.cache.kinds import Changes, Kind, VersionsById
from webapp.cache.redis import get_cache
from webapp.clock import boottime
from webapp.database import db, timeline_of

log = structlog.get_logger(__name__)

PENDING = "coherence.pending"
CHANGES_NOTHING_CACHED = "changes_nothing_cached"

NOT_NOTICED = {CHANGES_NOTHING_CACHED: True, "synchronize_session": False}
"""Execution options of a bulk write of columns that are not cached, whose rows the session does not hold."""


class BulkWriteRefused(RuntimeError):
    """A bulk insert, update or delete of a cached model: it would bump no version and fence nothing."""


@dataclass
class Pending:
    """What a transaction has to fence, and what has become of it so far."""

    floors: dict[str, int] = field(default_factory=dict)
    timeline: str | None = None
    turned: set[str] = field(default_factory=set)
    debts: list[str] = field(default_factory=list)
    committed_at: float | None = None

    def add(self, kinds: Iterable[Kind], versions: VersionsById) -> None:
        """Have things of these kinds fenced, at the highest versions that were asked for."""
        for kind, (id, version) in product(kinds, versions.items()):
            key = kind.key(id)
            self.floors[key] = max(version, self.floors.get(key, 0))


def confirm(session: Session, unchanged: Any) -> None:
    """Fence, with the next commit, what is cached of a row, at the version that this transaction has read."""
    for version, kinds in get_cache().kinds.by_version():
        if isinstance(unchanged, version.model):
            _pending(session).add(kinds, version.of_unchanged(session, [(unchanged, False)]))


@event.listens_for(db.session, "after_flush")
def _note(session: Session, _context: UOWTransaction) -> None:
    changed: Changes = [
        *((obj, False) for obj in session.new),
        *((obj, False) for obj in session.dirty if session.is_modified(obj)),
        *((obj, True) for obj in session.deleted),
    ]
    for version, kinds in get_cache().kinds.by_version():
        of_model = [(obj, is_deleted) for obj, is_deleted in changed if isinstance(obj, version.model)]
        if of_model:
            _pending(session).add(kinds, version.of_changed(session, of_model))


@event.listens_for(db.session, "before_commit")
def _fence_before_commit(session: Session) -> None:
    session.flush()
    pending = _pending(session)
    if not pending.floors:
        return
    connection = session.connection()
    pending.timeline = timeline_of(connection)
    # Not those of a savepoint before: it may have been rolled back.
    pending.debts = [] if _fenced(pending, "fence_before_commit") else owe(connection, pending.floors)


@event.listens_for(db.session, "after_commit")
def _note_commit(session: Session) -> None:
    if not session.in_nested_transaction():
        _pending(session).committed_at = boottime()


@event.listens_for(db.session, "after_transaction_end")
def _fence_after_commit(session: Session, transaction: SessionTransaction) -> None:
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
    warm_requests.ask(pending.turned)


@event.listens_for(db.session, "do_orm_execute")
def _refuse_bulk_write(state: ORMExecuteState) -> None:
    if not (state.is_insert or state.is_update or state.is_delete):
        return
    table = getattr(state.statement, "table", None)
    # Equal, not the same: update(Model) carries an annotated copy of the model's table.
    written = [kind.version.model for kind in get_cache().kinds if table == kind.version.model.__table__]
    if written and not state.execution_options.get(CHANGES_NOTHING_CACHED):
        raise BulkWriteRefused(
            f"A bulk insert, update or delete of {written[0].__name__} bumps no version and fences no cached entry. "
            "Change the objects one by one, or, if no column that is shown changes, say so with "
            f"execution_options({CHANGES_NOTHING_CACHED}=True)."
        )


def _pending(session: Session) -> Pending:
    pending: Pending = session.info.setdefault(PENDING, Pending())
    return pending


def _fenced(pending: Pending, operation: str) -> bool:
    """Fence, and say whether Redis took it. While it is known to be out of reach, nobody waits for it to say no."""
    cache = get_cache()
    if cache.trust.is_out_of_reach:
        return False
    try:
        pending.turned |= cache.entries.fence(pending.floors, pending.timeline)
    except RedisError as error:
        cache.trust.doubt(error, operation=operation)
        return False
    return True
