"""Tasks that fill the cache before somebody asks. Each may run twice, and may be lost."""

from webapp.cache import refresh_ahead as ahead
from webapp.cache import warm_up
from worker import celery


@celery.task
def warm_sessions() -> None:
    """Warm every session that is due."""
    warm_up.warm_due()


@celery.task
def warm_user(user_id: str) -> None:
    """Warm what a user reads first: the account, the active session, the newest ones."""
    warm_up.warm_user(user_id)


@celery.task
def refresh_ahead() -> None:
    """Renew the sessions that are read and will expire soon."""
    ahead.refresh_ahead()
