"""What the worker warms: the sessions that are due, and what a user who just logged in will read."""

import time

from sqlalchemy import select

from webapp.cache import driving_sessions, fills, keys, session_lists, users, warming
from webapp.cache.redis import get_cache
from webapp.database import read_connection
from webapp.models import DrivingSession
from webapp.models.driving_session import ACTIVE

NEWEST = 20

BUDGET_S = 10.0
"""How long one run may take, in s. What is left is due again at the next change."""


def warm_due() -> int:
    """Warm the sessions that writes have fenced, batch by batch. Returns how many were filled."""
    get_cache().trust.require()
    deadline = time.monotonic() + BUDGET_S
    filled = 0
    while due := warming.take():
        # A refused put of a user or a list is due, too; readers fill those.
        ids = [key.removeprefix(keys.SESSION_PREFIX) for key in due if key.startswith(keys.SESSION_PREFIX)]
        filled += fills.warm(driving_sessions.SESSIONS, ids)
        if len(due) < warming.BATCH or time.monotonic() > deadline:
            break
    return filled


def warm_user(user_id: str) -> None:
    """Fill the user, the first page of their sessions, and those of the page and the active one."""
    get_cache().trust.require()
    users.warm(user_id)
    fills.warm(session_lists.SESSION_LISTS, [user_id])
    with read_connection() as connection:
        newest = session_lists.newest_first(user_id).with_only_columns(DrivingSession.id).limit(NEWEST)
        active = select(DrivingSession.id).where(
            DrivingSession.user_id == user_id,
            DrivingSession.status == ACTIVE,
            DrivingSession.deleted_at.is_(None),
        )
        ids = {*connection.scalars(newest), *connection.scalars(active)}
    fills.warm(driving_sessions.SESSIONS, sorted(ids))
