"""The headers of a read of a session: the same from Flask's route and from the door."""

from webapp.cache.fills import Source

CACHE_STATUS = {
    Source.HIT: "session-cache; hit",
    Source.MISS: "session-cache; fwd=miss",
    Source.BYPASS: "session-cache; fwd=bypass",
}
"""Cache-Status (RFC 9211)."""


def private_headers(source: Source) -> list[tuple[str, str]]:
    """Return what says that an answer is one caller's own, must be asked for again, and where it came from."""
    return [
        ("Cache-Control", "private, no-cache"),
        ("Vary", "Authorization"),
        ("Cache-Status", CACHE_STATUS[source]),
    ]
