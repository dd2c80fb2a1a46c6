"""What keeps the cache true: nobody calls an invalidation by hand.

A write is ``UPDATE`` → fence → ``COMMIT`` → publish, or fence → acknowledge → ask for a warm. Listeners do all but the
first, for every session of `db.session`, in the web process and in the worker alike:

1. *after_flush* notes what was written, with the versions that the database now holds (row locks are held from here
   on). Who writes a row by a statement of his own says so (`wrote`), and whoever does not is refused.
2. *before_commit* flushes what is left (it runs before the commit-time flush), and fences. What Redis does not take is
   written down as a debt, in this same transaction.
3. *after_transaction_end* publishes the rows just committed, and fences the rest, when the connection to the database
   has been given back. The first fence may have been evicted, or have expired, while the commit took its time. If Redis
   does not take this one, the writer waits until the change may be acknowledged all the same (see `debts`).

A write that changes nothing, because the client repeats it, is a promise all the same: whoever did it first may have
died between its COMMIT and its fence. So it is *confirmed*: it goes through the whole procedure at the versions that
it has read. It publishes nothing: it does not hold the row.

The release of a savepoint fires the same events. It is acknowledged to nobody, so only the end of the outermost
transaction counts; but *before_commit* fences at each, because a COMMIT that releases an open savepoint looks the same
from here, and a fence too early only costs a round trip. A rollback leaves the first fence to expire, and so does a
COMMIT that failed, because its outcome is unknown. A transaction in which a savepoint was rolled back fences, and
publishes nothing: the rows that it holds may not be what is stored.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import structlog
from redis import RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import event, inspect
from sqlalchemy.orm import Session, SessionTransaction, UOWTransaction

from webapp.cache import warm_requests
from webapp.cache.debts import Owed, owe
from webapp.cache.entries import Call, Row, new_writer_token
from webapp.cache.kinds import Change, Changes, Kind, VersionsById
from webapp.cache.redis import get_cache
from webapp.clock import boottime
from webapp.database import db, timeline_of
from webapp.models import Base

log = structlog.get_logger(__name__)

PENDING = "coherence.pending"


@dataclass
class Pending:
    """What a transaction has to fence and may publish, and what has become of it so far.

    token: that of the fence before the COMMIT, once Redis has taken it; empty until then.
    """

    floors: dict[str, int] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    token: str = ""
    may_publish: bool = True
    timeline: str | None = None
    turned: set[str] = field(default_factory=set)
    debts: list[str] = field(default_factory=list)
    along: list[tuple[Call, Callable[[], None]]] = field(default_factory=list)
    committed_at: float | None = None

    def add(self, kinds: Iterable[Kind], versions: VersionsById) -> None:
        """Have things of these kinds fenced, at the highest versions that were asked for."""
        for kind, (id, version) in product(kinds, versions.items()):
            key = kind.key(id)
            self.floors[key] = max(version, self.floors.get(key, 0))

    def add_rows(self, kinds: Iterable[Kind], changes: Changes) -> None:
        """Have written rows published, as far as they are all that something of these kinds is made of."""
        for kind, change in product([kind for kind in kinds if kind.entry], changes):
            if not change.is_deleted:
                self.rows[kind.key(change.row.id)] = kind.row(change.row)

    def published(self) -> dict[str, Row]:
        """Return the rows that are still the last word of this transaction."""
        rows = self.rows if self.may_publish else {}
        return {key: row for key, row in rows.items() if row.entry.version == self.floors[key]}


def wrote(session: Session, model: type[Base], *changes: Change) -> None:
    """Note rows that this transaction has written by statements of its own, and holds locked from now on.

    Their versions have risen, as they do with a flush.
    """
    for version, kinds in get_cache().kinds.by_version():
        if version.model is model:
            _pending(session).add(kinds, version.of_changed(session, changes))
            _pending(session).add_rows(kinds, changes)


def read_under(session: Session, timeline: str | None) -> None:
    """Note the timeline of the database, which a statement of this transaction has read: nobody need ask again."""
    _pending(session).timeline = timeline


def call_along(session: Session, call: Call, otherwise: Callable[[], None]) -> None:
    """Have a script called after the commit, in the round trip that publishes; `otherwise` if there is none, and if its
    answer is lost: then the script may have been called as well.
    """
    _pending(session).along.append((call, otherwise))


def confirm(session: Session, model: type[Base], unchanged: Any) -> None:
    """Fence, with the next commit, what is cached of a row, at the version that this transaction has read."""
    for version, kinds in get_cache().kinds.by_version():
        if version.model is model:
            _pending(session).add(kinds, version.of_unchanged(session, unchanged))


@event.listens_for(db.session, "after_flush")
def _note(session: Session, _context: UOWTransaction) -> None:
    changes = [
        *(Change(obj, None) for obj in session.new),
        *(Change(obj, _changed_columns(obj)) for obj in session.dirty if session.is_modified(obj)),
        *(Change(obj, None, is_deleted=True) for obj in session.deleted),
    ]
    for model in dict.fromkeys(version.model for version, _ in get_cache().kinds.by_version()):
        if of_model := [change for change in changes if isinstance(change.row, model)]:
            wrote(session, model, *of_model)


def _changed_columns(obj: Any) -> set[str]:
    return {attribute.key for attribute in inspect(obj).attrs if attribute.history.has_changes()}


@event.listens_for(db.session, "after_soft_rollback")
def _publish_nothing(session: Session, _previous: SessionTransaction) -> None:
    """After a savepoint was rolled back, nobody knows which of the rows that are held here still say what is stored."""
    if session.in_transaction():
        _pending(session).may_publish = False


@event.listens_for(db.session, "before_commit")
def _fence_before_commit(session: Session) -> None:
    session.flush()
    pending = _pending(session)
    if not pending.floors:
        return
    connection = session.connection()
    if pending.timeline is None:
        pending.timeline = timeline_of(connection)
    # Not those of a savepoint before: it may have been rolled back.
    pending.debts = [] if _fenced_before(pending) else owe(connection, pending.floors)


@event.listens_for(db.session, "after_commit")
def _note_commit(session: Session) -> None:
    if not session.in_nested_transaction():
        _pending(session).committed_at = boottime()


@event.listens_for(db.session, "after_transaction_end")
def _fence_after_commit(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is not None:
        return
    pending: Pending | None = session.info.pop(PENDING, None)
    if pending is None or pending.committed_at is None:
        return
    if pending.floors:
        _make_known(pending, pending.committed_at)
    for _, otherwise in pending.along:
        otherwise()
    warm_requests.ask(pending.turned)


def _make_known(pending: Pending, committed_at: float) -> None:
    """Publish or fence what was committed; return when it may be acknowledged."""
    cache = get_cache()
    if _published(pending) or _fenced(pending):
        if pending.debts:
            cache.debts.forget(pending.debts)
    else:
        cache.trust.watch()  # A process that only writes need not wait each time, if it does.
        owed = Owed(pending.floors, pending.timeline, pending.debts, committed_at)
        cache.debts.wait(owed, may_try=lambda: not cache.trust.is_out_of_reach)


def _pending(session: Session) -> Pending:
    pending: Pending = session.info.setdefault(PENDING, Pending())
    return pending


def _fenced_before(pending: Pending) -> bool:
    """Fence with a token, and say whether Redis took it. Sent once more, it is sent with another token."""
    cache, rows, pending.token = get_cache(), pending.published(), ""
    if cache.trust.is_out_of_reach:
        return False

    def attempt() -> str:
        token = new_writer_token()
        pending.turned |= cache.entries.fence_once(pending.floors, pending.timeline, rows, token)
        return token

    try:
        try:
            pending.token = attempt()
        except RedisConnectionError:  # The server may have closed a connection that was idle.
            pending.token = attempt()
    except RedisError as error:
        cache.trust.doubt(error, operation="fence_before_commit")
        return False
    return True


def _published(pending: Pending) -> bool:
    """Publish what was committed, and say whether Redis took it. If not, whatever became of it, it is fenced."""
    cache, rows = get_cache(), pending.published()
    if not rows or not pending.token or cache.trust.is_out_of_reach:
        return False
    try:
        along = [call for call, _ in pending.along]
        outcome = cache.entries.publish(pending.floors, rows, pending.token, pending.timeline, along)
    except RedisError as error:
        log.info("not_published", keys=len(rows), error=type(error).__name__)
        return False
    pending.turned = (pending.turned | outcome.turned) - outcome.published
    pending.along.clear()
    return True


def _fenced(pending: Pending) -> bool:
    """Fence, and say whether Redis took it. While it is known to be out of reach, nobody waits for it to say no."""
    cache = get_cache()
    if cache.trust.is_out_of_reach:
        return False
    try:
        pending.turned |= cache.entries.fence(pending.floors, pending.timeline)
    except RedisError as error:
        cache.trust.doubt(error, operation="fence_after_commit")
        return False
    return True
