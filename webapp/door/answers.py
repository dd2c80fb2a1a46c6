"""What the door answers by itself, with what every answer has: an id, a line in the log, and safe headers."""

import time
from collections.abc import Mapping
from http import HTTPStatus

from flask import Flask

from webapp.door.asgi import Answer, Headers, Scope, Send, encoded
from webapp.door.environ import FRAMING
from webapp.http.errors import PROBLEM_JSON, Problem, code_of, problem_body
from webapp.http.requests import REQUEST_ID, request_end, request_id_of

NO_STORE = (b"Cache-Control", b"no-store")
CLOSE = (b"Connection", b"close")


def json(body: bytes, headers: Headers, status: int = 200) -> Answer:
    """Make an answer of JSON."""
    return Answer(status, [*headers, (b"Content-Type", b"application/json"), _length(body)], body)


class Answers:
    """Gives the answers of the door of one application."""

    def __init__(self, app: Flask) -> None:
        self._end = request_end(app)
        self._of_every_answer = encoded(self._end.headers)

    async def send(
        self, send: Send, scope: Scope, headers: Mapping[bytes, bytes], answer: Answer | Problem, started: float
    ) -> None:
        """Answer a request."""
        given = headers.get(b"x-request-id")
        request_id = request_id_of(given.decode("latin-1") if given else None)
        if isinstance(answer, Problem):
            # A body that was not read cannot be told from the next request: the server ends the connection then.
            closing = [] if FRAMING.isdisjoint(headers) else [CLOSE]
            answer = _problem(
                answer.status, answer.code, answer.detail, request_id, encoded(answer.headers.items()) + closing
            )
        self._end.note(scope["method"], scope["path"], answer.status, started, request_id)
        await send(
            {"type": "http.response.start", "status": answer.status, "headers": self._headers(answer, request_id)}
        )
        await send({"type": "http.response.body", "body": answer.body})

    def last_words(self, status: int, detail: str) -> bytes:
        """Write the answer to what is no request, or none that comes to its end: the last one on a connection."""
        request_id = request_id_of(None)
        answer = _problem(status, code_of(status), detail, request_id, [CLOSE])
        self._end.note("-", "-", status, time.perf_counter(), request_id)
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
        lines += [b"%s: %s" % header for header in self._headers(answer, request_id)]
        return b"\r\n".join([*lines, b"", answer.body])

    def _headers(self, answer: Answer, request_id: str) -> Headers:
        return [(REQUEST_ID.encode(), request_id.encode()), *self._of_every_answer, *answer.headers]


def _problem(status: int, code: str, detail: str | None, request_id: str, headers: Headers) -> Answer:
    body = problem_body(status, code, detail, request_id)
    return Answer(status, [*headers, NO_STORE, (b"Content-Type", PROBLEM_JSON.encode()), _length(body)], body)


def _length(body: bytes) -> tuple[bytes, bytes]:
    return (b"Content-Length", b"%d" % len(body))
