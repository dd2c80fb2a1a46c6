"""Deleting an account, and erasing what it held.

1. Who deletes an account closes it, in one short transaction. From its acknowledgement on nobody is let in any more,
   and drives are shown to their driver alone: nothing of them can be read.
2. The kept answers go, and the drives are marked as deleted and emptied of what a person wrote.
3. The readings of deleted drives go.
4. A day later the empty rows go (`webapp.accounts.retention`).

The request itself does 2 and 3 for as long as `IN_THE_REQUEST_S`, which is enough for thousands of drives. The worker
goes on, and does 3 for drives that were deleted one by one. What is left to do is found again in the rows, so a
process that dies loses nothing: drives of a deleted account that are not deleted, and deleted drives that count
readings.
"""

import structlog
from sqlalchemy import exists, or_, select
from sqlalchemy.exc import SQLAlchemyError

from webapp.accounts import present_password
from webapp.auth import audit, limits, logins
from webapp.auth.guard import Caller
from webapp.batches import BATCH, Budget, delete_rows
from webapp.clock import utcnow
from webapp.database import read_connection
from webapp.driving.erasure import empty_drives, erase_readings
from webapp.models import DrivingSession, IdempotentAnswer, User

log = structlog.get_logger(__name__)

IN_THE_REQUEST_S = 1.0


def close_account(caller: Caller, password: str) -> None:
    """Close an account for good. Raises 401, 403, 429 or 503.

    An empty row stays for a while, so that the reconciler can still tell that cached entries are behind it.
    """
    limits.limit_password_check(caller.user.document["email"])
    checked = present_password.require(caller, password)
    with logins.own_account_change(caller, changes_email=True) as user:
        if user.password_hash != checked:
            raise present_password.wrong()
        logins.revoke(user, "account_deleted")
        audit.record(audit.DELETED, user.id)
        user.email, user.full_name, user.password_hash = None, "", ""
        user.is_active, user.deleted_at = False, utcnow()


def erase_at_once(user_id: str) -> None:
    """Erase a closed account in transactions of their own, or leave it to the worker.

    A request that was under way when it was closed has either stored by then, and is met, or will find the account
    closed (`logins.hold_account`).
    """
    try:
        erase_account(user_id, Budget(IN_THE_REQUEST_S))
    except SQLAlchemyError as error:
        # The account is closed, and that is what is acknowledged.
        log.warning("erasing_left_to_the_worker", user_id=user_id, error=type(error).__name__)


def erase_account(user_id: str, budget: Budget) -> None:
    """Erase what a closed account holds, or as much of it as there is time for."""
    delete_rows(IdempotentAnswer, IdempotentAnswer.user_id == user_id, budget, IdempotentAnswer.key)
    empty_drives(user_id, budget)
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
