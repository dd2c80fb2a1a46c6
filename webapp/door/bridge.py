"""The bridge to Flask: a request is read whole, then a thread answers it, and what it answers flows back.

A client that dawdles holds memory here, and no thread: not while it sends, and not while it takes a long answer, of
which a thread makes a piece at a time. Requests that are read or wait are bounded in number and in bytes; who comes
beyond that is told at once to come back (503).
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import Context
from itertools import chain
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask

from webapp.config import settings
from webapp.door.answers import CLOSE
from webapp.door.asgi import Headers, Receive, Scope, Send, encoded
from webapp.door.environ import FRAMING, environ_of
from webapp.http.errors import RequestTimeout, Unavailable
from webapp.threads import threads_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

Result = TypeVar("Result")

PIECE_BYTES = 64 * 1024
"""How much of a long answer a thread makes at a time; what is shorter goes out at once. The transport holds as much
before it asks for patience.
"""


class HungUpError(Exception):
    """The client is gone before its request was there."""


class Bridge:
    """The bridge of one application."""

    def __init__(self, app: Flask) -> None:
        given = settings(app)
        self._wsgi_app, self._threads = app.wsgi_app, threads_of(app)
        self._max_body, self._body_timeout_s = given.web_max_body_bytes, given.web_body_timeout_s
        self._max_requests, self._max_bytes = given.web_max_requests_waiting, given.web_max_bytes_waiting
        self._requests = self._bytes = 0

    async def answer(self, scope: Scope, receive: Receive, send: Send, started: float) -> None:
        """Have Flask answer. Raises 408, 503 and HungUpError; then nothing was sent."""
        announced = _announced(scope["headers"], otherwise=self._max_body)
        with self._room_for(min(announced, self._max_body)):
            body, length = await self._read(receive, announced) if announced else (b"", 0)
            call = _Call(self._wsgi_app, environ_of(scope, body, length, started))
            try:
                piece = await self._in_thread(call, call.begin)
            except asyncio.CancelledError:
                self._threads.submit(call.run, call.end)
                raise
        # Not read to the end, because it was too long: what is on its way cannot be told from the next request.
        closing = [CLOSE] if length > len(body) else []
        await send({"type": "http.response.start", "status": call.status, "headers": call.headers + closing})
        try:
            while not call.is_over:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece = await self._in_thread(call, call.next_piece)
            await send({"type": "http.response.body", "body": piece})
        finally:
            if not call.is_over:
                self._threads.submit(call.run, call.end)

    @property
    def is_busy(self) -> bool:
        """Say whether more requests are here than threads are at work."""
        return self._requests > self._threads.size

    @contextmanager
    def _room_for(self, size: int) -> Iterator[None]:
        if self._requests >= self._max_requests or self._bytes + size > self._max_bytes:
            raise Unavailable("Too many requests are waiting already. Try again.")
        self._requests += 1
        self._bytes += size
        try:
            yield
        finally:
            self._requests -= 1
            self._bytes -= size

    async def _read(self, receive: Receive, announced: int) -> tuple[bytes, int]:
        """Return the body and its length. What is too long is not read: Flask refuses it by its length (413)."""
        if announced > self._max_body:
            return b"", announced
        pieces, length, due = [], 0, PIECE_BYTES
        try:
            async with asyncio.timeout(self._body_timeout_s) as limit:
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise HungUpError
                    pieces.append(message["body"])
                    length += len(message["body"])
                    if length > self._max_body:
                        return b"", length
                    if not message["more_body"]:
                        return b"".join(pieces), length
                    if length >= due:  # Slow, but it sends.
                        due = length + PIECE_BYTES
                        limit.reschedule(asyncio.get_running_loop().time() + self._body_timeout_s)
        except TimeoutError:
            raise RequestTimeout from None

    async def _in_thread(self, call: "_Call", work: Callable[[], Result]) -> Result:
        """Have a thread work. If the client hangs up meanwhile, what has not begun does not begin."""
        return await asyncio.wrap_future(self._threads.submit(call.run, work))


class _Call:
    """A call of Flask, a piece at a time. All of it runs in one context, in one thread after the other."""

    def __init__(self, app: "WSGIApplication", environ: dict[str, Any]) -> None:
        self._app, self._environ = app, environ
        self._answer: Iterable[bytes] = ()
        self._rest: Iterator[bytes] = iter(())
        self._context, self._lock = Context(), Lock()
        self.status, self.headers = 500, Headers()
        self.is_over = False

    def run(self, work: Callable[[], Result]) -> Result:
        """Do a part of the work, after the one that another thread may still be at for a client that has gone."""
        with self._lock:
            return self._context.run(work)

    def begin(self) -> bytes:
        """Call, and return the first piece of the answer. A failure of Flask itself leaves nothing behind."""
        written: list[bytes] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Callable[[bytes], Any]:
            self.status, self.headers = int(status[:3]), encoded(headers)
            return written.append

        self._answer = self._app(self._environ, start_response)
        self._rest = chain(written, self._answer)
        return self.next_piece()

    def next_piece(self) -> bytes:
        """Return the next piece of the answer, and end the call with the last one."""
        pieces, size = [], 0
        try:
            for piece in self._rest:
                pieces.append(piece)
                size += len(piece)
                if size >= PIECE_BYTES:
                    return b"".join(pieces)
        except BaseException:
            self.end()
            raise
        self.end()
        return b"".join(pieces)

    def end(self) -> None:
        """End the call, wherever it is."""
        self.is_over = True
        close = getattr(self._answer, "close", None)
        self._answer = ()
        if close is not None:
            close()


def _announced(headers: Headers, *, otherwise: int) -> int:
    """Return how long the body will be: 0 if there is none, `otherwise` if that is not said before."""
    for name, value in headers:
        if name in FRAMING:
            return int(value) if name == b"content-length" else otherwise
    return 0
