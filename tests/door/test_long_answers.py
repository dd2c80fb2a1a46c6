"""Long answers flow a piece at a time, as fast as they are taken."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from tests.door.asking import Client, MakeDoor, scope
from tests.shared.meanwhile import wait_until
from webapp.door import bridge as bridge_module
from webapp.threads import threads_of

VALUE: ContextVar[str] = ContextVar("VALUE")


class Streaming:
    """An answer of many pieces."""

    def __init__(self, pieces: int) -> None:
        self.pieces, self.made, self.ended_in = pieces, 0, ""
        self.made_in: set[int] = set()

    def __call__(self, _environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        VALUE.set("of this call")
        start_response("200 OK", [])
        return self._generate()

    def _generate(self) -> Iterator[bytes]:
        try:
            for _ in range(self.pieces):
                assert VALUE.get() == "of this call"
                self.made += 1
                self.made_in.add(threading.get_ident())
                yield b"x" * bridge_module.PIECE_BYTES
        finally:
            self.ended_in = threading.current_thread().name


def test_a_long_answer_flows_as_fast_as_it_is_taken_and_keeps_no_thread(make_door: MakeDoor) -> None:
    streaming = Streaming(20)
    door = make_door(streaming, web_threads=1)

    async def in_a_loop() -> None:
        takes = asyncio.Semaphore(0)
        client = Client(takes=takes)
        call = asyncio.ensure_future(door(scope("/"), client.receive, client.send))
        for taken in range(5):
            await asyncio.sleep(0.02)
            assert streaming.made <= taken + 2
            takes.release()
        # The only thread is free meanwhile.
        await asyncio.wait_for(asyncio.wrap_future(threads_of(door.app).submit(time.monotonic)), 5)
        for _ in range(40):
            takes.release()
        await asyncio.wait_for(call, 10)
        assert len(client.body) == 20 * bridge_module.PIECE_BYTES

    asyncio.run(in_a_loop())
    assert streaming.ended_in == "request"


def test_a_long_answer_ends_when_the_client_hangs_up(make_door: MakeDoor) -> None:
    streaming = Streaming(1000)
    door = make_door(streaming)

    async def in_a_loop() -> None:
        client = Client(takes=asyncio.Semaphore(3))
        call = asyncio.ensure_future(door(scope("/"), client.receive, client.send))
        await asyncio.sleep(0.1)
        call.cancel()
        await asyncio.wait([call])

    asyncio.run(in_a_loop())
    wait_until(lambda: streaming.ended_in)
    assert streaming.ended_in == "request", "not in the event loop"
    assert streaming.made < 6


def test_an_answer_that_fails_on_the_way_ends_where_it_is(make_door: MakeDoor) -> None:
    def wsgi(_environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"x" * bridge_module.PIECE_BYTES
        raise ZeroDivisionError

    client = Client()

    async def in_a_loop() -> None:
        with pytest.raises(ZeroDivisionError):
            await door(scope("/"), client.receive, client.send)

    door = make_door(wsgi)
    asyncio.run(in_a_loop())
    assert [message.get("more_body") for message in client.sent[1:]] == [True]
