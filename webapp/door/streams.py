"""The place of live streams: answers that stay open in the event loop, for as long as there is something to come.

A stream costs memory and no thread. When the process is to end, each is told, says so to its client, and ends.
"""

import asyncio
from collections.abc import Awaitable, Callable

from webapp.door.asgi import Receive, Scope, Send

Stream = Callable[[Scope, Receive, Send, asyncio.Event], Awaitable[None]]
"""Answers a request for as long as it likes, and soon ends when the event is set: the process is about to."""


class Streams:
    """The live streams of a door. `ending` is set when the process is about to end."""

    def __init__(self) -> None:
        self._kinds: list[tuple[Callable[[Scope], bool], Stream]] = []
        self.ending = asyncio.Event()

    def add(self, is_meant: Callable[[Scope], bool], stream: Stream) -> None:
        """Have `stream` answer the requests that are meant for it."""
        self._kinds.append((is_meant, stream))

    def find(self, scope: Scope) -> Stream | None:
        """Return what answers a request by a stream, None if nothing does."""
        return next((stream for is_meant, stream in self._kinds if is_meant(scope)), None)
