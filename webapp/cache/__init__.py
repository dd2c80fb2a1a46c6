"""The heart: every cached read, and everything that keeps it from being stale. It names no feature.

Both houses stand on this room: the web process reads and fences, the worker warms and repairs. Start with
``entries`` (what one Redis key may be), then ``kinds`` (what a kind of cached thing is; the rooms above define theirs,
one file each), then ``coherence`` (who fences, and when).
"""

from flask import Flask

from webapp.cache import coherence as coherence  # Its listeners are on db.session from now on.
from webapp.cache import unnoted
from webapp.cache.redis import init_redis


def init_app(app: Flask) -> None:
    """Prepare the cache of `app`."""
    init_redis(app)
    unnoted.init_app(app)
