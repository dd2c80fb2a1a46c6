"""The heart: every cached read, and everything that keeps it from being stale. It names no feature.

Both houses stand on this room: the web process reads and fences, the worker warms and repairs. Start with
``entries`` (what one Redis key may be), then ``kinds`` (what a kind of cached thing is; the rooms above define theirs,
one file each), then ``coherence`` (who fences, and when).
"""

from webapp.cache import coherence as coherence  # Its listeners are on db.session from now on.
from webapp.cache.redis import init_redis as init_app

__all__ = ["init_app"]
