"""The place of live streams: answers that stay open in the event loop, for as long as there is something to come.

A stream costs memory and no thread. When the process is to end, each is told, says so to its client, and ends.
"""

import asyncio
from collections.abc import Awaitable, Callable

from webapp.door.asgi import Receive, Scope, Send

Stream = Callable[[Scope, Receive, Send, asyncio.Event], Awaitable[None]]
"""Answers a request for as long as it likes, and soon ends when the event is set: the process is about to."""


class Streams:
    """The streams that are open in one event loop."""

    def __init__(self) -> None:
        self._kinds: list[tuple[Callable[[Scope], bool], Stream]] = []
        self._open: set[asyncio.Task[None]] = set()
        self._ending = asyncio.Event()

    def add(self, is_meant: Callable[[Scope], bool], stream: Stream) -> None:
        """Have `stream` answer the requests that are meant for it."""
        self._kinds.append((is_meant, stream))

    def find(self, scope: Scope) -> Stream | None:
        """Return what answers a request by a stream, None if nothing does."""
        return next((stream for is_meant, stream in self._kinds if is_meant(scope)), None)

    async def answer(self, stream: Stream, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request by a stream."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await stream(scope, receive, send, self._ending)
        finally:
            self._open.discard(task)

    def end(self) -> None:
        """Tell all streams that the process is about to end."""
        self._ending.set()

    def __len__(self) -> int:
        """Return how many are open."""
        return len(self._open)
