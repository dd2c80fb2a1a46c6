"""The bridge to Flask: a request is read whole, then a thread answers it, and what it answers flows back.

A client that dawdles holds memory here, and no thread: not while it sends, and not while it takes a long answer, of
which a thread makes a piece at a time. Whole requests are bounded in number, and what was received of all in bytes;
who comes beyond that is told at once to come back (503).
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import Context
from itertools import chain
from typing import TYPE_CHECKING, Any

from flask import Flask

from webapp.config import settings
from webapp.door.answers import CLOSE
from webapp.door.asgi import Headers, Receive, Scope, Send, encoded
from webapp.door.environ import environ_of
from webapp.http.errors import RequestTimeout, Unavailable
from webapp.threads import threads_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

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
        self._requests, self._bytes = _Bound(given.web_max_requests_waiting), _Bound(given.web_max_bytes_waiting)

    async def answer(self, scope: Scope, receive: Receive, send: Send, started: float) -> None:
        """Have Flask answer. Raises 408, 503 and HungUpError; then nothing was sent."""
        with self._bytes.part() as take_bytes:
            body, length = await self._read(dict(scope["headers"]), receive, take_bytes)
            call = _Call(self._wsgi_app, environ_of(scope, body, length, started))
            # Not read to the end, because it was too long: what is on its way cannot be told from the next request.
            closing = [CLOSE] if length > len(body) else []
            del body
            with self._requests.part() as take_requests:
                take_requests(1)
                piece = await self._in_thread(call, call.begin)
        await send({"type": "http.response.start", "status": call.status, "headers": call.headers + closing})
        while not call.is_over:
            await self._send_some(call, send, piece)
            piece = await self._in_thread(call, call.next_piece)
        await send({"type": "http.response.body", "body": piece})

    async def _read(
        self, headers: dict[bytes, bytes], receive: Receive, take_bytes: Callable[[int], None]
    ) -> tuple[bytes, int]:
        """Return the body and its length. What is too long is not read: Flask refuses it by its length (413)."""
        announced = 1 if b"transfer-encoding" in headers else int(headers.get(b"content-length", 0))
        if announced == 0 or announced > self._max_body:
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
                    take_bytes(len(message["body"]))
                    if length > self._max_body:
                        return b"", length
                    if not message["more_body"]:
                        return b"".join(pieces), length
                    if length >= due and not limit.expired():  # Slow, but it sends.
                        due = length + PIECE_BYTES
                        limit.reschedule(asyncio.get_running_loop().time() + self._body_timeout_s)
        except TimeoutError:
            raise RequestTimeout from None

    async def _in_thread(self, call: "_Call", work: Callable[[], bytes]) -> bytes:
        """Have a thread work. If the client hangs up meanwhile, what has not begun does not begin."""
        future = self._threads.submit(call.context.run, work)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            call.forget_request()
            # When the thread is done with it: a call is in one thread at a time.
            future.add_done_callback(lambda done: None if done.cancelled() else self._end(call))
            raise

    async def _send_some(self, call: "_Call", send: Send, piece: bytes) -> None:
        """Send a piece, and wait until the client has taken enough of what was sent before."""
        try:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        except BaseException:
            self._end(call)
            raise

    def _end(self, call: "_Call") -> None:
        self._threads.submit(call.context.run, call.end)


class _Bound:
    """So much of something at most."""

    def __init__(self, most: int) -> None:
        self._now, self._most = 0, most

    @contextmanager
    def part(self) -> Iterator[Callable[[int], None]]:
        """Lend what takes so much more, until the block ends. It raises 503 when there is no room."""
        taken = 0

        def take(number: int) -> None:
            nonlocal taken
            if self._now + number > self._most:
                raise Unavailable("Too many requests are waiting already. Try again.")
            self._now += number
            taken += number

        try:
            yield take
        finally:
            self._now -= taken


class _Call:
    """A call of Flask, a piece at a time. All of it runs in one context, in one thread after the other."""

    def __init__(self, app: "WSGIApplication", environ: dict[str, Any]) -> None:
        self._app, self._environ = app, environ
        self._answer: Iterable[bytes] = ()
        self._rest: Iterator[bytes] = iter(())
        self.context = Context()
        self.status = 500
        self.headers: Headers = []
        self.is_over = False

    def forget_request(self) -> None:
        """Let go of the request, and of its body: a call that will not begin may lie in the queue for a while."""
        self._environ.clear()

    def begin(self) -> bytes:
        """Call, and return the first piece of the answer. A failure of Flask itself leaves nothing behind."""
        written: list[bytes] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Callable[[bytes], Any]:
            self.status, self.headers = int(status[:3]), encoded(headers)
            return written.append

        environ, self._environ = self._environ, {}  # The body is in it, and is not needed for long.
        self._answer = self._app(environ, start_response)
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
