"""The end of logins: rows that no token can refer to any more."""

from datetime import timedelta

from flask import current_app
from sqlalchemy import delete, or_

from webapp.cache.coherence import CHANGES_NOTHING_CACHED
from webapp.clock import utcnow
from webapp.extensions import db
from webapp.models import AuditEvent, DrivingSession, Login, User

KEPT_AFTER_REVOCATION = timedelta(days=30)
"""A revoked login is kept this long, or as long as its refresh token lives if that is longer, to answer "what
happened?".
"""


DELETED_ROWS_KEPT = timedelta(days=1)
"""An empty row of something deleted is kept longer than any entry or token that knew it."""


def purge_deleted() -> int:
    """Remove the rows of accounts and drives deleted a day ago, and old audit events. Returns how many."""
    before = utcnow() - DELETED_ROWS_KEPT
    audit_before = utcnow() - timedelta(days=int(current_app.config["SETTINGS"].audit_kept_days))
    purged = 0
    for query in (
        delete(User).where(User.deleted_at < before),
        delete(DrivingSession).where(DrivingSession.deleted_at < before),
        delete(AuditEvent).where(AuditEvent.created_at < audit_before),
    ):
        # No entry is left of what went a day ago: nothing cached changes.
        result = db.session.execute(query.execution_options(**{CHANGES_NOTHING_CACHED: True}))
        purged += result.rowcount  # type: ignore[attr-defined]
    db.session.commit()
    return purged


def purge_logins() -> int:
    """Delete the logins that expired, or were revoked long ago. Returns how many.

    An expired login is in no cached user and accepts nothing, so no version rises.
    """
    now = utcnow()
    refresh_life = timedelta(days=int(current_app.config["SETTINGS"].refresh_token_expire_days))
    result = db.session.execute(
        delete(Login).where(
            or_(Login.expires_at < now, Login.revoked_at < now - max(KEPT_AFTER_REVOCATION, refresh_life))
        )
    )
    db.session.commit()
    return result.rowcount  # type: ignore[attr-defined, no-any-return]
