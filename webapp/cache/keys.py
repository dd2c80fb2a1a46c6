"""The Redis keys that are no kind's: those are made by their `Kind`. No key is spelled anywhere else."""

WARM_DUE = "warm:due"
WARM_SCHEDULED = "warm:scheduled"
WORKER_HEARTBEAT = "worker:heartbeat"
RECONCILED = "worker:reconciled"
REFRESH_AHEAD_CURSOR = "refresh_ahead:cursor"
DRIFT_CURSOR = "drift:cursor"
LAST_COMPARISON = "reconcile:last"

RATE_LIMIT_PREFIX = "rate"
"""The limits library puts its own colon after it."""


def blacklist(jti: str) -> str:
    """Key that stands while the token with this ``jti`` is refused."""
    return f"blacklist:{jti}"


def probe(process_id: str) -> str:
    """Key that one process fences again and again to learn whether Redis still takes fences."""
    return f"probe:{process_id}"


def job_lock(job: str) -> str:
    """Key that keeps two runs of a periodic job from overlapping."""
    return f"job:{job}"
