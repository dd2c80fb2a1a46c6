"""Bytes to a server and back, for what no client library would send."""

import http.client
import io
import resource
import socket
import time
from collections.abc import Sequence
from typing import NamedTuple

from testbed.closing import Closing

LOOPBACK = "127.0.0.1"
CHUNK = 65_536


class RawAnswer(NamedTuple):
    """An answer as it came."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Raw(Closing):
    """A connection."""

    def __init__(self, port: int, timeout_s: float = 10.0) -> None:
        self._socket = socket.create_connection((LOOPBACK, port), timeout=timeout_s)

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._socket.sendall(data)

    def read_to_the_end(self) -> bytes:
        """Return all that comes until the server closes; ConnectionResetError if it resets."""
        found = b""
        while data := self._socket.recv(CHUNK):
            found += data
        return found

    def read_some(self) -> bytes:
        """Return what comes next."""
        return self._socket.recv(CHUNK)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def allow_for_many() -> None:
    """Raise this process' limit of open files as far as it may: many systems begin with 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def exchange(port: int, *parts: bytes, pause_s: float = 0.05, timeout_s: float = 10.0) -> list[RawAnswer]:
    """Send these parts one after the other, and return the answers that came until the server closed.

    Ask for `Connection: close` in the last request. Raises ConnectionResetError, and TimeoutError.
    """
    with Raw(port, timeout_s) as raw:
        for number, part in enumerate(parts):
            time.sleep(pause_s if number else 0)
            raw.send(part)
        return answers_in(raw.read_to_the_end())


class _Stream:
    """What http.client takes for a socket."""

    def __init__(self, file: io.BytesIO) -> None:
        self._file = file

    def makefile(self, _mode: str) -> "_Stream":
        return self

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

    def close(self) -> None:
        """Stay open for the next answer."""


def answers_in(data: bytes, methods: Sequence[str] = ()) -> list[RawAnswer]:
    """Split what came into answers, to requests of these methods or all to GET."""
    stream = _Stream(io.BytesIO(data))
    found: list[RawAnswer] = []
    while stream._file.tell() < len(data):
        method = methods[len(found)] if len(found) < len(methods) else "GET"
        response = http.client.HTTPResponse(stream, method=method)  # type: ignore[arg-type]
        response.begin()
        found.append(RawAnswer(response.status, response.headers, response.read()))
    return found
