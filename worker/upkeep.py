"""Tasks of the schedule. Each does what is due now, and may run twice."""

import structlog

from webapp.auth import erasure, expiry
from webapp.batches import Budget
from webapp.cache.audit import audit
from webapp.cache.reconcile import reconcile as compare_and_repair
from webapp.driving import sessions
from webapp.extensions import db
from webapp.http import idempotency
from worker import celery, clock

log = structlog.get_logger(__name__)

BATCH = 500
AUDIT_SAMPLE = 2000

ERASING_S, PURGING_S = 5.0, 5.0
"""How long one run may take, in s: the process is wanted for other tasks, too."""


@celery.task
def reconcile() -> None:
    """Repair cached entries that are behind their rows."""
    clock.note_run()
    compare_and_repair()


@celery.task
def audit_cache() -> None:
    """Hold a sample of cached entries against the database, and heal what differs."""
    audit(AUDIT_SAMPLE)


@celery.task
def close_abandoned_sessions() -> None:
    """Close the drives that fell silent, each in a transaction of its own."""
    silent = sessions.silent_ids(BATCH)
    db.session.rollback()
    for session_id in silent:
        if sessions.close_if_silent(session_id):
            log.info("session_abandoned", session_id=session_id)
        db.session.commit()


@celery.task
def erase_deleted() -> None:
    """Erase what deleted accounts and drives have left. What is too much for one run is left to the next one."""
    erasure.erase_deleted(Budget(ERASING_S))


@celery.task
def purge_expired_logins() -> None:
    """Delete what is past its time: logins, answers kept for repeated requests, rows of what was deleted."""
    budget = Budget(PURGING_S)
    log.info(
        "purged",
        logins=expiry.purge_logins(budget),
        answers=idempotency.purge(budget),
        deleted=expiry.purge_deleted(budget),
        audit_events=expiry.purge_audit_events(budget),
    )
