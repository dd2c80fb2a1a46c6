"""The blacklist: a fast no. The lasting no is the revoked login in the database; see `webapp.auth.guard`.

The key carries the token's `jti`. Keyed by the raw string, a revoked token would get through by changing its padding.
"""

import structlog
from redis import RedisError

from webapp.cache import keys
from webapp.cache.redis import get_cache

log = structlog.get_logger(__name__)


def blacklist_token(token: str, ttl_minutes: float) -> bool:
    """Refuse the token whose `jti` is `token` for `ttl_minutes`, until it expires. Returns whether Redis took note."""
    try:
        get_cache().client.set(keys.blacklist(token), "1", px=max(1, round(ttl_minutes * 60_000)))
    except RedisError as error:
        # Not needed for the token to be refused: its login is revoked in the database, and `user:{id}` is fenced.
        log.warning("blacklist_not_written", error=type(error).__name__)
        return False
    return True


def is_blacklisted(token: str) -> bool:
    """Say whether the token whose `jti` is `token` stands in the blacklist. Raises RedisError.

    Kept for the system that this one grows out of: our own guard asks in one MGET with everything else.
    """
    return bool(get_cache().client.exists(keys.blacklist(token)))
