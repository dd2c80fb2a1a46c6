"""A connection to the API over real HTTP, kept alive as an app keeps its own."""

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from testbed.closing import Closing

IDLE_S = 2.0
"""The server closes a connection that idles for 5 s. One that idled for this long is not used again, in s."""


class NoAnswer(Exception):
    """The connection failed before the answer was there: whether the call was done is unknown."""


@dataclass(frozen=True)
class Answer:
    """An answer, and how long it took, in s."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    seconds: float

    @cached_property
    def json(self) -> Any:
        """Return the body, read as JSON."""
        return json.loads(self.body)

    @property
    def cache_status(self) -> str:
        """Return what the cache had to do with it: "hit", "miss", "bypass", or "" where none is involved."""
        return self.headers.get("Cache-Status", "").rpartition(" ")[2].removeprefix("fwd=")


class Api(Closing):
    """One keep-alive connection; for one thread at a time."""

    def __init__(self, port: int, *, timeout_s: float = 10.0) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
        self._used_at = time.monotonic()

    def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Call once, never again: a repeated write would be another write. Raises NoAnswer."""
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
        payload = None if body is None else json.dumps(body)
        if payload is not None:
            headers["Content-Type"] = "application/json"
        started = time.monotonic()
        if started - self._used_at > IDLE_S:
            self.close()
        try:
            self._connection.request(method, path, body=payload, headers=headers)
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise NoAnswer(f"{method} {path}: {error!r}") from error
        self._used_at = time.monotonic()
        return Answer(response.status, response.headers, content, self._used_at - started)

    @property
    def local_port(self) -> int | None:
        """Return our end of the connection, None while there is none."""
        return self._connection.sock.getsockname()[1] if self._connection.sock else None

    def close(self) -> None:
        """Close the connection; the next call opens a new one."""
        self._connection.close()
