"""MGET for an event loop: questions that come while one is under way go together into the next.

So many readers at once cost fewer commands than there are readers, and there is never more than one answer to wait for:
one connection is enough.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
from hiredis import pack_command
from redis import RedisError
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from webapp.cache.stamp import Stamp
from webapp.cache.trust import Trust

log = structlog.get_logger(__name__)

Found = list[str | None]

STEPS = 5
"""In so many steps an answer is waited for. It takes a loop two to notice that it has come."""

MOST_AT_ONCE = 64
"""So many questions go into one command. Redis does nothing else while it answers one: 64 KiB of sessions, 50 µs."""


class SharedMget:
    """The questions of one event loop to Redis, over a connection that connects when it is first used."""

    def __init__(self, connection: AbstractConnection, stamp: Stamp, trust: Trust, patience_s: float) -> None:
        self._connection: Any = connection
        self._stamp, self._trust, self._patience_s = stamp, trust, patience_s
        self._waiting: deque[tuple[Sequence[str], asyncio.Future[Found | None]]] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._asking: asyncio.Task[None] | None = None

    def fetch(self, keys: Sequence[str]) -> "asyncio.Future[Found | None]":
        """Fetch many keys: what Redis holds, or None when it is out of reach."""
        loop = asyncio.get_running_loop()
        if self._asking is None or self._asking.done():
            self._asking = loop.create_task(self._ask_for_ever())
        question: asyncio.Future[Found | None] = loop.create_future()
        self._waiting.append((keys, question))
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
        return question

    async def close(self) -> None:
        """Ask no more in this event loop, and close the connection."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])
            self._asking = self._wake = None

    async def _ask_for_ever(self) -> None:
        try:
            while True:
                if not self._waiting:
                    self._wake = asyncio.get_running_loop().create_future()
                    await self._wake
                together = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]
                found = await self._ask([key for keys, _ in together for key in keys])
                _hand_out(found, together)
        finally:
            _hand_out(None, self._waiting)
            self._waiting.clear()
            await self._connection.disconnect(nowait=True)

    async def _ask(self, keys: Sequence[str]) -> Found | None:
        """Ask, and once more on a new connection: the server may have closed one that was idle."""
        try:
            try:
                return await self._ask_once(keys)
            except RedisConnectionError:
                return await self._ask_once(keys)
        except Exception as error:
            if not isinstance(error, RedisError):
                log.exception("fetch_failed")
            # In a thread, because it writes to the log, whose reader may be slow.
            asyncio.get_running_loop().run_in_executor(None, self._trust.doubt, error, "hot_read")
            return None

    async def _ask_once(self, keys: Sequence[str]) -> Found:
        connection = self._connection
        if connection.is_connected and connection.generation != self._stamp.generation:
            await connection.disconnect(nowait=True)  # It may lead to a server that was left.
        try:
            if not connection.is_connected:
                async with _patience(self._patience_s):
                    await connection.connect()
            async with _patience(self._patience_s):
                # Packed here: redis-py's own packing takes three times as long. Given up, it closes the connection: an
                # answer that comes later must not be taken for that of the next question.
                await connection.send_packed_command(pack_command(("MGET", *keys)), check_health=False)  # type: ignore[arg-type]
                found: Found = await connection.read_response()
                return found
        except TimeoutError:
            raise RedisTimeoutError("no answer to MGET in time") from None


@asynccontextmanager
async def _patience(seconds: float) -> AsyncIterator[None]:
    """Wait for so long, and give up with TimeoutError.

    In steps, and between two of them the loop looks for what has come: a loop that is late itself, because there is
    much to do, would else take that for a server that hangs.
    """
    loop, left = asyncio.get_running_loop(), STEPS
    timer: asyncio.TimerHandle

    def step() -> None:
        nonlocal left, timer
        left -= 1
        if left:
            timer = loop.call_later(seconds / STEPS, step)
        else:
            limit.reschedule(loop.time())

    timer = loop.call_later(seconds / STEPS, step)
    async with asyncio.timeout(None) as limit:
        try:
            yield
        finally:
            timer.cancel()


def _hand_out(found: Found | None, together: Iterable[tuple[Sequence[str], "asyncio.Future[Found | None]"]]) -> None:
    first = 0
    for keys, question in together:
        last = first + len(keys)
        if not question.done():  # Who asked may have hung up.
            question.set_result(None if found is None else found[first:last])
        first = last
