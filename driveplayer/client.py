"""HTTP for a client that is patient: one connection kept alive, and calls repeated when the server is away.

Everything that this player sends may be repeated: sessions are started under an id of the client's own, readings are
told apart by their number, and the rest says how things shall be.
"""

import gzip
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

ATTEMPTS = 7
ATTEMPTS_AT_A_STRANGER = 3
"""Before the first answer the address is more likely wrong than its server away for a moment."""

FIRST_PAUSE_S = 0.2
MAX_PAUSE_S = 60.0
TIMEOUT_S = 10.0
RETRIED_STATUSES = (429, 503)


class ClientError(Exception):
    """A call had no good answer; the message is one clear line."""


class Unreachable(ClientError):
    """Nobody answers at this address, or not in HTTP."""


class NotThisApi(ClientError):
    """An HTTP server answered, but not as the contract says."""


@dataclass(frozen=True)
class Answer:
    """An answer; `latency_s` is that of the attempt that was answered."""

    status: int
    headers: Message
    body: bytes
    latency_s: float

    def document(self, *members: str) -> dict[str, Any]:
        """Return the body as a JSON object that has at least these members. Raises NotThisApi."""
        try:
            document = json.loads(self.body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise NotThisApi(f"this server is another one: its answer ({self.summary}) is no JSON object")
        missing = [member for member in members if member not in document]
        if missing:
            raise NotThisApi(f"this server is another one: its answer ({self.summary}) has no {', '.join(missing)}")
        return document

    @property
    def summary(self) -> str:
        """Return status and content type, for messages."""
        return f"{self.status} {self.headers.get('Content-Type', 'without a content type')}"


class Client:
    """Calls one server, given its base URL. `pause` is how it waits; `retries` counts what it repeated.

    Raises ValueError for a URL that is none.
    """

    def __init__(self, url: str, *, pause: Callable[[float], None] = time.sleep) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("is not the URL of a server")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self.url = url.rstrip("/")
        self._path = parts.path.rstrip("/")
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_S)
        self._pause = pause
        self._attempts = ATTEMPTS_AT_A_STRANGER
        self.retries = 0

    def __enter__(self) -> "Client":
        """Connect with the first call."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self._connection.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: Any = None,
        compress: bool = False,
        etag: str | None = None,
    ) -> Answer:
        """Call and return the answer, whatever its status; `etag` is for If-None-Match.

        Up to ATTEMPTS times in all where the connection fails or the answer is 429 or 503, each time as late as
        Retry-After asks, unless it asks for more than MAX_PAUSE_S. Raises Unreachable when the last one had no answer.
        """
        payload, headers = _encoded(body, compress)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if etag:
            headers["If-None-Match"] = etag
        return self._patiently(method, self._path + path, payload, headers)

    def _patiently(self, method: str, path: str, payload: bytes | None, headers: dict[str, str]) -> Answer:
        attempt, pause_s = 1, FIRST_PAUSE_S
        while True:
            asked_s = 0.0
            try:
                answer = self._exchange(method, path, payload, headers)
            except Unreachable:
                if attempt >= self._attempts:
                    raise
            else:
                self._attempts = ATTEMPTS
                asked_s = _retry_after_s(answer)
                if answer.status not in RETRIED_STATUSES or attempt >= ATTEMPTS or asked_s > MAX_PAUSE_S:
                    return answer
            self._pause(max(pause_s, asked_s))
            attempt, pause_s = attempt + 1, pause_s * 2
            self.retries += 1

    def _exchange(self, method: str, path: str, payload: bytes | None, headers: dict[str, str]) -> Answer:
        began = time.perf_counter()
        try:
            self._connection.request(method, path, payload, headers)
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, HTTPException) as error:
            self._connection.close()
            raise Unreachable(f"no server of this API answers at {self.url}: {str(error) or repr(error)}") from error
        except KeyboardInterrupt:
            # The next call must not read the answer of the one that was broken off.
            self._connection.close()
            raise
        return Answer(response.status, response.headers, body, time.perf_counter() - began)


def _encoded(body: Any, compress: bool) -> tuple[bytes | None, dict[str, str]]:
    headers = {"Accept": "application/json", "User-Agent": "driveplayer"}
    if body is None:
        return None, headers
    headers["Content-Type"] = "application/json"
    payload = json.dumps(body, separators=(",", ":")).encode()
    if not compress:
        return payload, headers
    headers["Content-Encoding"] = "gzip"
    return gzip.compress(payload), headers


def _retry_after_s(answer: Answer) -> float:
    """Return how long the server asks us to wait: it may say so in seconds or as a date."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return 0.0
