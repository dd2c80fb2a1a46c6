"""The bridge is bounded, does nothing for who has gone, and goes on while calls hang."""

import asyncio
import threading
import time
import tracemalloc
from typing import Any

import pytest

from tests.door.asking import Client, Held, MakeDoor, answering, ask, part, scope, telling, together
from tests.shared.meanwhile import wait_until


def test_more_requests_than_may_wait_are_told_at_once_to_come_back(make_door: MakeDoor) -> None:
    held = Held()
    clients = [(scope("/"), Client()) for _ in range(8)]
    door = make_door(held, web_max_requests_waiting=5)

    def look() -> None:
        assert [client.status for _, client in clients if client.sent] == [503] * 3
        held.may_end.set()

    together(door, clients, look)
    refused = [client for _, client in clients if client.status == 503]
    assert {client.headers[b"Retry-After"] for client in refused} == {b"2"}
    assert {client.headers[b"Content-Type"] for client in refused} == {b"application/problem+json"}
    assert [client.status for _, client in clients if client not in refused] == [200] * 5
    assert ask(door, scope("/")).status == 200, "there is room again"


def test_more_bytes_than_may_be_held_are_told_at_once_to_come_back(make_door: MakeDoor) -> None:
    mib = 1024 * 1024
    door = make_door(telling, web_max_bytes_waiting=3 * mib)
    most = part(b"x" * (mib - 1))

    async def in_a_loop() -> None:
        waiting = [Client(most) for _ in range(3)]
        asked = [scope("/", "POST", content_length=str(mib)), scope("/", "POST", transfer_encoding="chunked")]
        calls = [asyncio.ensure_future(door(asked[n % 2], c.receive, c.send)) for n, c in enumerate(waiting)]
        await asyncio.sleep(0.05)
        for one in asked:
            refused = Client(most)
            await door(one, refused.receive, refused.send)
            assert (refused.status, refused.headers[b"Connection"]) == (503, b"close")
        small = Client(part(b"x", is_last=True))
        await door(scope("/", "POST", content_length="1"), small.receive, small.send)
        assert small.status == 200
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)

    asyncio.run(in_a_loop())
    whole = [most, part(b"x", is_last=True)]
    assert ask(door, scope("/", "POST", content_length=str(mib)), *whole).status == 200, "there is room again"


def test_clients_that_announce_much_and_send_nothing_take_nobodys_room(make_door: MakeDoor) -> None:
    door = make_door(telling, web_max_requests_waiting=5)

    async def in_a_loop() -> None:
        silent = [Client() for _ in range(200)]
        asked = scope("/", "POST", content_length=str(1024 * 1024)), scope("/", "POST", transfer_encoding="chunked")
        calls = [asyncio.ensure_future(door(asked[n % 2], c.receive, c.send)) for n, c in enumerate(silent)]
        await asyncio.sleep(0.05)
        other = Client(part(b"1", is_last=True))
        await door(scope("/", "POST", content_length="1"), other.receive, other.send)
        assert other.status == 200
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)

    asyncio.run(in_a_loop())


def test_what_has_not_begun_when_the_client_hangs_up_does_not_begin(make_door: MakeDoor) -> None:
    held = Held()
    door = make_door(held, web_threads=1)

    async def in_a_loop() -> None:
        client = Client()
        calls = [asyncio.ensure_future(door(scope("/"), client.receive, client.send)) for _ in range(3)]
        await asyncio.sleep(0.1)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)

    asyncio.run(in_a_loop())
    held.may_end.set()
    assert ask(door, scope("/")).status == 200
    assert held.begun == 2, "the first one, and the last one"


def test_the_body_of_who_has_hung_up_is_let_go_of_at_once(make_door: MakeDoor) -> None:
    held = Held()
    door = make_door(held, web_threads=1)
    size = 1024 * 1024

    async def in_a_loop() -> None:
        tracemalloc.start()
        for _ in range(60):
            client = Client(part(b"x" * (size - 1)), part(b"x", is_last=True))
            call = asyncio.ensure_future(
                door(scope("/", "POST", content_length=str(size)), client.receive, client.send)
            )
            await asyncio.sleep(0.005)
            call.cancel()
            await asyncio.wait([call])
        assert tracemalloc.get_traced_memory()[0] < 8 * size
        tracemalloc.stop()

    asyncio.run(in_a_loop())
    held.may_end.set()


@pytest.mark.parametrize("their_clients", ["wait", "have hung up"])
def test_three_calls_that_hang_do_not_stop_the_others(make_door: MakeDoor, their_clients: str) -> None:
    held, seen = Held(), answering(b"seen")

    def wsgi(environ: dict[str, Any], start_response: Any) -> Any:
        return (held if environ["PATH_INFO"] == "/hung" else seen)(environ, start_response)

    door = make_door(wsgi, web_threads=3)

    async def in_a_loop() -> None:
        hung = [Client() for _ in range(3)]
        calls = [asyncio.ensure_future(door(scope("/hung"), one.receive, one.send)) for one in hung]
        await asyncio.sleep(0.05)
        if their_clients == "have hung up":
            for call in calls:
                call.cancel()
        live, other = Client(), Client()
        await asyncio.wait_for(door(scope("/health/live"), live.receive, live.send), 0.1)
        assert live.body == b'{"status":"ok"}'
        asked = asyncio.ensure_future(door(scope("/other"), other.receive, other.send))
        began = time.monotonic()
        await asyncio.wait_for(asked, 10)
        assert other.body == b"seen"
        assert time.monotonic() - began < 2
        held.may_end.set()
        await asyncio.gather(*calls, return_exceptions=True)

    asyncio.run(in_a_loop())


def test_lateness_is_no_way_to_more_threads_than_the_spare_ones(make_door: MakeDoor) -> None:
    held = Held()
    door = make_door(held, web_threads=2)

    async def in_a_loop() -> None:
        clients = [Client() for _ in range(10)]
        calls = [asyncio.ensure_future(door(scope("/"), one.receive, one.send)) for one in clients]
        await asyncio.sleep(1.5)
        assert held.begun == 6
        held.may_end.set()
        await asyncio.gather(*calls)

    asyncio.run(in_a_loop())
    wait_until(lambda: sum(thread.name == "request" for thread in threading.enumerate()) <= 2)
