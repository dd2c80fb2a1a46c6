"""Every Redis key of the project, as functions. No key is spelled anywhere else."""

WARM_DUE = "warm:due"
WARM_SCHEDULED = "warm:scheduled"
WORKER_HEARTBEAT = "worker:heartbeat"
RECONCILED = "worker:reconciled"
REFRESH_AHEAD_CURSOR = "refresh_ahead:cursor"
AUDIT_CURSOR = "audit:cursor"
LAST_COMPARISON = "reconcile:last"

SESSION_PREFIX = "session:"
USER_PREFIX = "user:"
SESSION_LIST_PREFIX = "sessions:"
BLACKLIST_PREFIX = "blacklist:"
RATE_LIMIT_PREFIX = "rate"
"""The limits library puts its own colon after it."""


def session(session_id: str) -> str:
    """Key of a cached driving session."""
    return f"{SESSION_PREFIX}{session_id}"


def user(user_id: str) -> str:
    """Key of a cached user, with the logins that may call in their name."""
    return f"{USER_PREFIX}{user_id}"


def session_list(user_id: str) -> str:
    """Key of the newest page of a driver's sessions."""
    return f"{SESSION_LIST_PREFIX}{user_id}"


def blacklist(jti: str) -> str:
    """Key that stands while the token with this ``jti`` is refused."""
    return f"{BLACKLIST_PREFIX}{jti}"


def probe(process_id: str) -> str:
    """Key that one process fences again and again to learn whether Redis still takes fences."""
    return f"probe:{process_id}"


def job_lock(job: str) -> str:
    """Key that keeps two runs of a periodic job from overlapping."""
    return f"job:{job}"
