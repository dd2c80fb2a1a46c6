"""What an app's screen does: it shows one driving session, and asks for it only if it has changed."""

from typing import Any

from driveplayer.account import Account
from driveplayer.client import Answer
from driveplayer.measurements import Read

CACHE_NAME = "session-cache"


class Screen:
    """Reads a session again and again with If-None-Match, and notices when an answer is older than it may be."""

    def __init__(self, account: Account, session_id: str) -> None:
        self._account = account
        self._path = f"/sessions/{session_id}"
        self._etag: str | None = None
        self._version = 0
        self._acknowledged = 0

    def acknowledged(self, version: int) -> None:
        """Remember that a write was acknowledged: from now on no read may show less than this version."""
        self._acknowledged = max(self._acknowledged, version)

    def read(self) -> Read:
        """Read the session if it has changed."""
        return self._seen(self._account.call("GET", self._path, accepted=(200, 304), etag=self._etag))

    def read_whole(self) -> tuple[Read, dict[str, Any]]:
        """Read the session whether it has changed or not, and return it, too."""
        answer = self._account.call("GET", self._path)
        return self._seen(answer), answer.document()

    def _seen(self, answer: Answer) -> Read:
        if answer.status == 200:
            self._version = answer.document("id", "version", "summary")["version"]
            self._etag = answer.headers.get("ETag")
        return Read(
            latency_s=answer.latency_s,
            status=answer.status,
            source=source_of(answer.headers.get("Cache-Status", "")),
            is_stale=self._version < self._acknowledged,
        )


def source_of(cache_status: str) -> str:
    """Return what Cache-Status (RFC 9211) says of the server's cache: hit, miss, bypass, or unknown.

    There may be other caches' words in the header.
    """
    for member in cache_status.split(","):
        name, *parameters = (part.strip() for part in member.split(";"))
        if name.strip('"') == CACHE_NAME:
            if "hit" in parameters:
                return "hit"
            forwarded = [p.removeprefix("fwd=") for p in parameters if p.startswith("fwd=")]
            return forwarded[0] if forwarded and forwarded[0] in ("miss", "bypass") else "unknown"
    return "unknown"
