"""Tasks of the schedule. Each does what is due now, and may run twice."""

import structlog

from webapp.auth import accounts, expiry
from webapp.cache.audit import audit
from webapp.cache.reconcile import reconcile as compare_and_repair
from webapp.driving import sessions
from webapp.extensions import db
from webapp.http import idempotency
from worker import celery, clock

log = structlog.get_logger(__name__)

BATCH = 500
AUDIT_SAMPLE = 2000


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
def purge_expired_logins() -> None:
    """Delete what is past its time: logins, answers kept for repeated requests, rows of what was deleted."""
    accounts.erase_leftovers()
    log.info("purged", logins=expiry.purge_logins(), answers=idempotency.purge(), deleted=expiry.purge_deleted())
