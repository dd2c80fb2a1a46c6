"""A server that answers what it is told, and remembers what it was asked. It keeps connections alive."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Asked:
    """A request as it came; `connection` is the client's port."""

    path: str
    headers: dict[str, str]
    body: bytes
    connection: int


class Told(ThreadingHTTPServer):
    """Gives answers in order: each is a status, or (status, document), or (status, document, headers).

    An answer of None breaks the connection off.
    """

    def __init__(self, answers: Iterable[Any]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = iter(answers)
        self.asked: list[Asked] = []

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"
    server: Told

    def do_GET(self) -> None:
        """Answer as told."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append(Asked(self.path, dict(self.headers), body, self.client_address[1]))
        answer = next(self.server.answers)
        if answer is None:
            self.close_connection = True
            return
        status, document, headers = (*answer, {}, {})[:3] if isinstance(answer, tuple) else (answer, {}, {})
        payload = b"" if status in (204, 304) else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_POST = do_GET  # noqa: N815 - the name that http.server calls

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def problem(status: int, code: str, **headers: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return an answer in the contract's form of errors; header names are given as in `Retry_After=...`."""
    document = {"status": status, "code": code, "detail": "Told to.", "request_id": "r1"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, document, {"Content-Type": "application/problem+json", **named}


@dataclass
class Timing:
    """Time that passes by sleeping alone, and at once; `slept` remembers it."""

    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        """Return how long was slept in all."""
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        """Go on at once."""
        self.slept.append(seconds)
