"""How long rows are kept: logins, audit events, kept answers, and the empty rows of what was deleted."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, exists, select

from webapp.batches import Budget, clear, delete_rows
from webapp.cache.unnoted import NOT_NOTICED
from webapp.clock import utcnow
from webapp.config import settings
from webapp.database import db
from webapp.http import idempotency
from webapp.models import AuditEvent, DrivingSession, Login, User

KEPT_AFTER_REVOCATION = timedelta(days=30)
"""A revoked login is kept this long, or for the life of its refresh token if longer, to tell what happened."""

DELETED_ROWS_KEPT = timedelta(days=1)
"""An empty row of something deleted is kept longer than any entry or token that knew it."""


def purge_expired(budget: Budget) -> dict[str, int]:
    """Delete what is past its time. Returns how many rows of what."""
    return {
        "logins": purge_logins(budget),
        "answers": idempotency.purge(budget),
        "deleted": purge_deleted(budget),
        "audit_events": purge_audit_events(budget),
    }


def purge_deleted(budget: Budget) -> int:
    """Remove the rows of drives and accounts deleted a day ago. Returns how many."""
    before = utcnow() - DELETED_ROWS_KEPT
    has_no_drives = ~exists().where(DrivingSession.user_id == User.id)
    return _purge(DrivingSession, before, True, budget) + _purge(User, before, has_no_drives, budget)


def _purge(model: type[DrivingSession] | type[User], before: datetime, condition: Any, budget: Budget) -> int:
    due = select(model.id).where(model.deleted_at < before, condition).order_by(model.deleted_at)

    def purge(ids: Sequence[str]) -> None:
        # No entry is left of what went a day ago: nothing cached changes.
        db.session.execute(delete(model).where(model.id.in_(ids)), execution_options=NOT_NOTICED)

    return clear(model, due, budget, purge)


def purge_audit_events(budget: Budget) -> int:
    """Delete the audit events that are older than they are kept. Returns how many."""
    before = utcnow() - timedelta(days=settings().audit_kept_days)
    return delete_rows(AuditEvent, AuditEvent.created_at < before, budget, AuditEvent.created_at, AuditEvent.id)


def purge_logins(budget: Budget) -> int:
    """Delete the logins that expired, or were revoked long ago. Returns how many.

    An expired login is in no cached user and accepts nothing, so no version rises.
    """
    now = utcnow()
    before = now - max(KEPT_AFTER_REVOCATION, timedelta(days=settings().refresh_token_expire_days))
    expired = delete_rows(Login, Login.expires_at < now, budget, Login.expires_at, Login.id)
    return expired + delete_rows(Login, Login.revoked_at < before, budget, Login.revoked_at, Login.id)
