"""Waiting for what the worker does by itself, by looking into Redis: a read over HTTP would fill the cache itself."""

import time

import redis

from webapp.cache.kinds import Kind
from webapp.driving.cached_sessions import SESSIONS

POLL_S = 0.01


def is_cached(client: redis.Redis, id: str, version: int, kind: Kind = SESSIONS) -> bool:
    """Say whether something is cached at this version or a later one."""
    header = client.getrange(kind.key(id), 0, 63).split("|", 3)
    return header[0] == "v" and int(header[2]) >= version


def wait_until_cached(
    client: redis.Redis, id: str, version: int, within_s: float = 5.0, kind: Kind = SESSIONS
) -> float:
    """Wait until something is cached at this version, and return how long that took, in s."""
    started = time.monotonic()
    while not is_cached(client, id, version, kind):
        if time.monotonic() - started > within_s:
            raise AssertionError(f"version {version} is not cached after {within_s:g} s")
        time.sleep(POLL_S)
    return time.monotonic() - started
