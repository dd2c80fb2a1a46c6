"""The audit trail: what happened to accounts, with request id and address, and without secrets.

An event is written in the transaction of the change that it tells of: neither is there without the other.
"""

from typing import Any

from flask import g, has_request_context, request

from webapp.database import db
from webapp.models import AuditEvent

LOGIN = "login"
LOGIN_FAILED = "login_failed"
REFRESH_REUSED = "refresh_reused"
LOGOUT = "logout"
LOGOUT_ALL = "logout_all"
LOGIN_REVOKED = "login_revoked"
PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of an event
ROLE_CHANGED = "role_changed"
ACTIVATED = "activated"
DEACTIVATED = "deactivated"
REGISTERED = "registered"
DELETED = "deleted"


def record(
    event: str,
    user_id: str | None,
    *,
    actor_id: str | None = None,
    login_id: str | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Add an event to the present transaction. `actor_id` is who did it, when that is not the user."""
    in_request = has_request_context()
    db.session.add(
        AuditEvent(
            event=event,
            user_id=user_id,
            actor_id=actor_id,
            login_id=login_id,
            request_id=g.get("request_id") if in_request else None,
            ip=request.remote_addr if in_request else None,
            detail=detail,
        )
    )
