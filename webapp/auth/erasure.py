"""Erasing what was deleted: what people wrote, and the readings of their drives.

1. Who deletes an account closes it, in one short transaction. From its acknowledgement on nobody is let in any more,
   and drives are shown to their driver alone: nothing of them can be read.
2. The kept answers go, and the drives are marked as deleted and emptied of what a person wrote.
3. The readings of deleted drives go.
4. A day later the empty rows go (`webapp.auth.expiry`).

The request itself does 2 and 3 for as long as `IN_THE_REQUEST_S`, which is enough for thousands of drives. The worker
goes on, and does 3 for drives that were deleted one by one. What is left to do is found again in the rows, so a
process that dies loses nothing: drives of a deleted account that are not deleted, and deleted drives that count
readings.
"""

from collections.abc import Sequence
from typing import Any

import structlog
from redis import RedisError
from sqlalchemy import Select, exists, or_, select, update

from webapp.batches import BATCH, OPTIONS, Budget, delete_belonging, delete_rows
from webapp.cache import keys
from webapp.cache.redis import get_redis
from webapp.clock import utcnow
from webapp.database import read_connection
from webapp.extensions import db
from webapp.models import Base, DrivingSession, IdempotentAnswer, User

log = structlog.get_logger(__name__)

IN_THE_REQUEST_S = 1.0

WITH_THE_READINGS: dict[str, Any] = {"readings_count": 0, "sums": None}
"""What is reset when the readings of a drive are gone. A count above 0 says that they are not."""

WRITTEN_BY_PEOPLE: dict[str, Any] = {"name": None, "notes": None, "tags": [], "vehicle": None, "device": None}
"""The columns of a drive that are erased at once, and what stands there afterwards."""


def models_of(parent: type[Base]) -> list[type[Base]]:
    """Return the models whose rows belong to a row of `parent`, and would all be deleted with it in one statement."""
    models = [mapper.class_ for mapper in Base.registry.mappers if _references(mapper.class_, parent)]
    return sorted(models, key=lambda model: model.__tablename__)


def _references(model: type[Base], parent: type[Base]) -> list[Any]:
    return [key.parent for key in model.__table__.foreign_keys if key.references(parent.__table__)]  # type: ignore[arg-type]


def erase_account(user_id: str, budget: Budget) -> None:
    """Erase what a closed account holds, or as much of it as there is time for."""
    delete_rows(IdempotentAnswer, IdempotentAnswer.user_id == user_id, budget, IdempotentAnswer.key)
    _empty_drives(user_id, budget)
    erase_readings(budget, DrivingSession.user_id == user_id)


def erase_deleted(budget: Budget) -> None:
    """Erase what the deletions of accounts have left, and the readings of deleted drives."""
    has_drives = exists().where(DrivingSession.user_id == User.id, DrivingSession.deleted_at.is_(None))
    has_answers = exists().where(IdempotentAnswer.user_id == User.id)
    left = select(User.id).where(User.deleted_at.is_not(None), or_(has_drives, has_answers)).limit(BATCH)
    with read_connection() as connection:
        user_ids = connection.scalars(left).all()
    for user_id in user_ids:
        erase_account(user_id, budget)
    erase_readings(budget)


def erase_readings(budget: Budget, *conditions: Any) -> None:
    """Erase the readings of the deleted drives that count some."""
    query = select(DrivingSession.id).where(DrivingSession.deleted_at.is_not(None), DrivingSession.readings_count > 0)
    due = query.where(*conditions).order_by(DrivingSession.deleted_at).limit(BATCH)
    for _ in budget.batches():
        with read_connection() as connection:
            session_ids = connection.scalars(due).all()
        if not session_ids:
            break
        delete_children(DrivingSession, session_ids, budget)
        if budget.is_left():
            _write(session_ids, **WITH_THE_READINGS)
            db.session.commit()


def delete_children(parent: type[Base], ids: Sequence[str], budget: Budget) -> None:
    """Delete what belongs to rows of `parent`, a batch at a time, so that their own deletion takes nothing along."""
    for model in models_of(parent):
        [reference] = _references(model, parent)
        delete_belonging(model, reference, ids, budget)


def _empty_drives(user_id: str, budget: Budget) -> None:
    for _ in budget.batches():
        # An upload that holds a drive is waited for: what it stores is then erased with the rest.
        drive_ids = db.session.scalars(_standing(user_id)).all()
        if drive_ids:
            _write(drive_ids, deleted_at=utcnow(), version=DrivingSession.version + 1, **WRITTEN_BY_PEOPLE)
        db.session.commit()
        if not drive_ids:
            break
        _drop_cached(user_id, drive_ids)


def _standing(user_id: str) -> Select[Any]:
    return (
        select(DrivingSession.id)
        .where(DrivingSession.user_id == user_id, DrivingSession.deleted_at.is_(None))
        .order_by(DrivingSession.started_at, DrivingSession.id)
        .limit(BATCH)
        .with_for_update(key_share=True)
    )


def _write(session_ids: Sequence[str], **values: Any) -> None:
    """Change deleted drives. `updated_at` stays, or the reconciler would look at all of them, with nothing to mend."""
    change = update(DrivingSession).where(DrivingSession.id.in_(session_ids))
    # Nobody is served from the entries of these drives: their driver, who alone may see them, is not let in.
    db.session.execute(change.values(updated_at=DrivingSession.updated_at, **values), execution_options=OPTIONS)


def _drop_cached(user_id: str, session_ids: Sequence[str]) -> None:
    """Take what a person wrote out of Redis, too. An absent key is always safe; what cannot be dropped expires."""
    try:
        get_redis().unlink(keys.session_list(user_id), *(keys.session(session_id) for session_id in session_ids))
    except RedisError as error:
        log.warning("cached_drives_not_dropped", drives=len(session_ids), error=type(error).__name__)
