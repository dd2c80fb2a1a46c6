"""The heart: every cached read, and everything that keeps it from being stale.

Both houses stand on this room: the web process reads and fences, the worker warms and repairs. Start with
``entries`` (what one Redis key may be), then ``kinds`` (what is cached), then ``coherence`` (who fences, and when).
"""
