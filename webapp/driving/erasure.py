"""Erasing deleted drives: what people wrote into them, and their readings. `accounts.deletion` tells when."""

from collections.abc import Sequence
from typing import Any

import structlog
from redis import RedisError
from sqlalchemy import Select, select, update

from webapp.batches import BATCH, Budget, clear
from webapp.cache.redis import get_cache
from webapp.cache.unnoted import NOT_NOTICED
from webapp.clock import utcnow
from webapp.database import db
from webapp.driving.documents import WRITTEN
from webapp.models import DrivingSession

log = structlog.get_logger(__name__)

WITH_THE_READINGS: dict[str, Any] = {"readings_count": 0, "sums": None}
"""What is reset when the readings of a drive are gone. A count above 0 says that they are not."""


def erase_readings(budget: Budget, *conditions: Any) -> None:
    """Erase the readings of the deleted drives that count some."""
    query = select(DrivingSession.id).where(DrivingSession.deleted_at.is_not(None), DrivingSession.readings_count > 0)
    due = query.where(*conditions).order_by(DrivingSession.deleted_at)
    clear(DrivingSession, due, budget, lambda session_ids: _write(session_ids, **WITH_THE_READINGS))


def empty_drives(user_id: str, budget: Budget) -> None:
    """Delete the drives of a closed account, with what a person wrote into them."""
    for batch in budget.batches():
        with batch:
            # An upload that holds a drive is waited for: what it stores is then erased with the rest.
            drive_ids = db.session.scalars(_standing(user_id)).all()
            if drive_ids:
                _write(drive_ids, deleted_at=utcnow(), version=DrivingSession.version + 1, **WRITTEN)
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
    values["updated_at"] = DrivingSession.updated_at
    db.session.execute(change.values(**values), execution_options=NOT_NOTICED)


def _drop_cached(user_id: str, session_ids: Sequence[str]) -> None:
    """Take what is cached under the ids of the user and of drives out of Redis, too. What cannot be dropped expires."""
    cache = get_cache()
    try:
        cache.client.unlink(*(kind.key(id) for kind in cache.kinds for id in (user_id, *session_ids)))
    except RedisError as error:
        log.warning("cached_drives_not_dropped", drives=len(session_ids), error=type(error).__name__)
