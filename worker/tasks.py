"""The tasks. Each is a view of what a room does: ids in, nothing out. It may run twice, and its message may be lost."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy.exc import SQLAlchemyError

from webapp.accounts import deletion, retention
from webapp.batches import Budget
from webapp.cache import drift, warming
from webapp.cache import reconcile as comparison
from webapp.cache import refresh_ahead as renewal
from webapp.database import db
from webapp.driving import compaction, sessions
from webapp.readings.chunks import CorruptChunkError
from worker import celery, stand_in

log = structlog.get_logger(__name__)

CLOSED_AT_ONCE = COMPACTED_AT_ONCE = 500
DRIFT_SAMPLE = 2000

ERASING_S, PURGING_S = 5.0, 5.0
"""How long one run may take, in s: the process is wanted for other tasks, too."""


@contextmanager
def suppressed_for(work: str, session_id: str) -> Iterator[None]:
    """Log what goes wrong with one drive, and go on with the next: one that cannot be read must not stop the others."""
    try:
        yield
    except (SQLAlchemyError, CorruptChunkError):
        db.session.rollback()
        log.exception("drive_left_alone", work=work, session_id=session_id)


@celery.task
def warm_due() -> None:
    """Warm what writes have fenced."""
    warming.warm_due()


@celery.task
def warm_first_reads(user_id: str) -> None:
    """Warm what a user who has just logged in will read."""
    warming.warm_first_reads(user_id)


@celery.task
def refresh_ahead() -> None:
    """Renew what is read and will expire soon."""
    renewal.refresh_ahead()


@celery.task
def reconcile() -> None:
    """Repair cached entries that are behind their rows."""
    stand_in.note_run()
    comparison.reconcile()


@celery.task
def measure_drift() -> None:
    """Hold a sample of cached entries against the database, and heal what differs."""
    drift.measure(DRIFT_SAMPLE)


@celery.task
def close_abandoned_sessions() -> None:
    """Close the drives that fell silent, each in a transaction of its own."""
    for session_id in sessions.silent_ids(CLOSED_AT_ONCE):
        session = sessions.close_if_silent(session_id)
        db.session.commit()
        if session is not None:
            log.info("session_abandoned", session_id=session_id)
            with suppressed_for("compact", session_id):
                compact_readings(session_id)


@celery.task
def compact_readings(session_id: str) -> None:
    """Put the appended readings of a drive into its chunks, each time a few in a transaction of their own."""
    is_more = True
    while is_more:
        is_more = compaction.compact(session_id)
        db.session.commit()


@celery.task
def compact_due() -> None:
    """Do the same for the drives whose message was lost."""
    for session_id in compaction.due(COMPACTED_AT_ONCE):
        with suppressed_for("compact", session_id):
            compact_readings(session_id)


@celery.task
def erase_deleted() -> None:
    """Erase what deleted accounts and drives have left. What is too much for one run is left to the next one."""
    deletion.erase_deleted(Budget(ERASING_S))


@celery.task
def purge_expired() -> None:
    """Delete what is past its time: logins, answers kept for repeated requests, rows of what was deleted, events."""
    log.info("purged", **retention.purge_expired(Budget(PURGING_S)))
