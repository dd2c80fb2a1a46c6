"""A client's connection: gunicorn's own, with the limits that gunicorn's event loop lacks.

It is given up when the head of a request is too long or does not come in time, and when the client does not take its
answer. It ends without a reset: what was answered last is lost to a client that is still sending when its connection
is closed, so what it sends is read and thrown away for a moment.
"""

import asyncio
from typing import Any

from gunicorn.asgi.parser import LimitRequestHeaders, ParseError
from gunicorn.asgi.protocol import ASGIProtocol

from webapp.door import SURPLUS, Door

MOST_SURPLUS = 256
"""So many connections beyond the bound are told to come back, or that this process lives; further ones are cut off.
Each takes a file descriptor for a second at most: that is 256 refusals a second.
"""
SURPLUS_TIMEOUT_S = 1.0
"""How long such a connection may take for its request, in s."""
LINGER_S = 1.0
"""How long the other side may take to notice that a connection is over, in s."""
FLUSH_S = 10.0
"""And how long to take what was sent to it, in s."""

MOST_CHUNKS = 4_096
"""A body of 1 MiB may come in chunks of 256 bytes. Each costs some µs, in which the loop does nothing else."""

TOO_LONG = "The head of the request is too long."


class Connection(ASGIProtocol):
    """A connection to one door, of one worker of gunicorn's."""

    def __init__(self, worker: Any, door: Door) -> None:
        super().__init__(worker)
        self._door = door
        self._is_surplus = self._is_over = False
        self._head_bytes = self._chunks = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._end_timer: asyncio.TimerHandle | None = None
        self._stalled_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Take a connection, if there is room for it."""
        surplus = self.worker.nr_conns + 1 - self._door.most_connections
        if surplus > MOST_SURPLUS:
            self._conn_lost_handled = True  # It was never counted.
            transport.abort()
            return
        self._is_surplus = surplus > 0
        super().connection_made(transport)
        self._expect_head(SURPLUS_TIMEOUT_S if self._is_surplus else self._door.settings.web_head_timeout_s)

    def data_received(self, data: bytes) -> None:
        """Take what the client sends, unless the connection is over."""
        if not self._is_over:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything."""
        for timer in (self._head_timer, self._end_timer, self._stalled_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Note that the client has not taken what was sent. It has some time for each part of that."""
        super().pause_writing()
        self._expect_progress()

    def resume_writing(self) -> None:
        """Note that it has."""
        if self._stalled_timer is not None:
            self._stalled_timer.cancel()
        super().resume_writing()

    def _expect_progress(self) -> None:
        within_s, unsent = self._door.settings.web_stalled_timeout_s, self.transport.get_write_buffer_size()
        self._stalled_timer = self.worker.loop.call_later(within_s, self._look_for_progress, unsent)

    def _look_for_progress(self, unsent_before: int) -> None:
        if self.transport.get_write_buffer_size() < unsent_before:
            self._expect_progress()
        else:
            self.transport.abort()

    def _expect_head(self, within_s: float) -> None:
        self._head_timer = self.worker.loop.call_later(within_s, self._give_up_waiting)

    def _give_up_waiting(self) -> None:
        if self._head_bytes:
            self._refuse(408, "The head of the request did not come in time.")
        else:
            self._close_transport()

    def _refuse(self, status: int, detail: str) -> bool:
        self._send_error_response(status, detail)
        self._close_transport()
        self._request_ready.set()  # Whoever waits for it sees that the connection is closed.
        return False

    # What follows is called by gunicorn.

    def _feed_callback_parser(self, data: bytes) -> bool:
        """Parse what has come, or what has come before and belongs to the next request."""
        if self._current_request is None:
            self._head_bytes += len(data)
        try:
            goes_on = bool(super()._feed_callback_parser(data))
        except ValueError as error:  # Of a number with more digits than Python reads.
            return self._refuse(400, str(error))
        if not goes_on or self._current_request is not None:
            return goes_on
        if self._head_bytes > self._door.settings.web_max_head_bytes:
            return self._refuse(431, TOO_LONG)
        if self._head_timer is None and self._head_bytes:
            self._cancel_keepalive_timer()
            self._expect_head(self._door.settings.web_head_timeout_s)
        return True

    def _arm_keepalive_timer(self) -> None:
        if self._head_timer is None:  # Else the next request has begun to come.
            super()._arm_keepalive_timer()

    def _on_headers_complete(self) -> bool:
        skips_body: bool = super()._on_headers_complete()
        self._cancel_keepalive_timer()
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        if self._head_bytes > self._door.settings.web_max_head_bytes:  # Or the beginning of the body is.
            request = self._current_request
            head = len(request.uri) + sum(len(name) + len(value) for name, value in request.headers_bytes)
            if head > self._door.settings.web_max_head_bytes:
                raise LimitRequestHeaders(TOO_LONG)
        self._head_bytes = self._chunks = 0
        return skips_body

    def _on_body(self, chunk: bytes) -> None:
        if self._current_request.chunked:
            self._chunks += 1
            if self._chunks > MOST_CHUNKS:
                raise ParseError("The body comes in too many chunks.")
        super()._on_body(chunk)

    async def _serve_http_request(self, request: Any, sockname: Any, peername: Any) -> bool:
        # gunicorn gives each request a task of its own, for applications that go on after their answer. Ours is done.
        keepalive: bool = await self._handle_http_request(request, sockname, peername)
        if self._http1_buffered():
            await asyncio.sleep(0)  # The next request is here already: others first.
        return keepalive

    def _is_websocket_upgrade(self, request: Any) -> bool:
        return False  # A request like any other: we may ignore that somebody would rather speak something else.

    def _will_close(self, request: Any, response_requires_close: bool) -> bool:
        # An HTTP/1.0 client that would keep its connection is not told by gunicorn that it may, and waits for its end.
        ends = self._is_surplus or request.version < (1, 1)
        return ends or bool(super()._will_close(request, response_requires_close))

    def _build_http_scope(self, request: Any, sockname: Any, peername: Any) -> dict[str, Any]:
        scope: dict[str, Any] = super()._build_http_scope(request, sockname, peername)
        if self._is_surplus:
            scope["extensions"] = {SURPLUS: {}}
        return scope

    def _send_error_response(self, status: int, message: str, extra_headers: Any = ()) -> None:
        if not self._closed:
            self._safe_write(self._door.answers.last_words(status, message))

    def _close_transport(self) -> None:
        """Say that nothing more is sent, and close when the client has noticed."""
        if self.transport is None or self._is_over:
            return
        self._closed = self._is_over = True
        if self.transport.is_closing() or not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self._resume_reading()
        self._end_timer = self.worker.loop.call_later(LINGER_S, self._end, self.worker.loop.time() + FLUSH_S)

    def _end(self, at_the_latest: float) -> None:
        if self.transport.get_write_buffer_size() and self.worker.loop.time() < at_the_latest:
            self._end_timer = self.worker.loop.call_later(LINGER_S, self._end, at_the_latest)
        else:
            self.transport.abort()
