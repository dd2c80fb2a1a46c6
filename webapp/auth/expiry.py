"""The end of logins: rows that no token can refer to any more."""

from datetime import timedelta

from flask import current_app
from sqlalchemy import delete, or_

from webapp.clock import utcnow
from webapp.extensions import db
from webapp.models import Login

KEPT_AFTER_REVOCATION = timedelta(days=30)
"""A revoked login is kept this long, or as long as its refresh token lives if that is longer, to answer "what
happened?".
"""


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
