"""HTTP for a client that is patient: one connection kept alive, and calls repeated when the server is away.

Everything that this player sends may be repeated: sessions are started under an id of the client's own, readings are
told apart by their number, and the rest says how things shall be.
"""

import gzip
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, Retry
from urllib3.exceptions import InvalidHeader, MaxRetryError

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
    headers: Mapping[str, str]
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


class Patience(Retry):
    """Which calls are repeated, and when; `wait` is called before each repetition."""

    def __init__(self, wait: Callable[[float], None], total: int, history: tuple[Any, ...] = (), **_: Any) -> None:
        super().__init__(
            total, allowed_methods=None, backoff_factor=FIRST_PAUSE_S, raise_on_status=False, history=history
        )
        self.wait = wait

    def new(self, **changes: Any) -> Self:
        """Return a copy with these changes."""
        return super().new(wait=self.wait, **changes)

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        """Say whether an answer is not the last word."""
        return status_code in RETRIED_STATUSES

    def increment(self, *args: Any, response: BaseHTTPResponse | None = None, **kwargs: Any) -> Self:
        """Return the patience that is left after an attempt. Raises MaxRetryError where none is."""
        total = self.total if response is None else ATTEMPTS - 1 - len(self.history)
        if self.get_retry_after(response) > MAX_PAUSE_S:
            total = 0
        return Retry.increment(self.new(total=total), *args, response=response, **kwargs)

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        """Wait twice as long each time, and at least as long as the server asks."""
        self.wait(max(FIRST_PAUSE_S, self.get_backoff_time(), self.get_retry_after(response)))

    def get_retry_after(self, response: BaseHTTPResponse | None) -> float:
        """Return how many seconds the server asks us to wait: none where it asks for nothing, or for nonsense."""
        try:
            return (response and super().get_retry_after(response)) or 0.0
        except (InvalidHeader, ValueError, OverflowError):
            return 0.0


class Client:
    """Calls one server, given its base URL. `pause` is how it waits; `retries` counts what it repeated.

    Raises ValueError for a URL that is none.
    """

    def __init__(self, url: str, *, pause: Callable[[float], None] = time.sleep) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("is not the URL of a server")
        kind = HTTPSConnectionPool if parts.scheme == "https" else HTTPConnectionPool
        patience = Patience(self._wait, total=ATTEMPTS_AT_A_STRANGER - 1)
        self.url = url.rstrip("/")
        self._path = parts.path.rstrip("/")
        self._pool = kind(parts.hostname, parts.port, timeout=TIMEOUT_S, retries=patience)
        self._pause = pause
        self.retries = 0

    def __enter__(self) -> "Client":
        """Connect with the first call."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self._pool.close()

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
        self._began = time.perf_counter()
        try:
            got = self._pool.urlopen(method, self._path + path, payload, headers, redirect=False, decode_content=False)
        except MaxRetryError as error:
            cause = error.reason.__cause__ or error.reason.args[-1]
            raise Unreachable(f"no server of this API answers at {self.url}: {cause}") from error
        self._pool.retries = self._pool.retries.new(total=ATTEMPTS - 1)
        return Answer(got.status, got.headers, got.data, time.perf_counter() - self._began)

    def _wait(self, seconds: float) -> None:
        self._pause(seconds)
        self.retries += 1
        self._began = time.perf_counter()


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
