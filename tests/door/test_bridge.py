"""The bridge: a request is read whole, within limits, and becomes what WSGI makes of it."""

import asyncio
from typing import Any

import pytest

from tests.door.asking import HUNG_UP, Client, MakeDoor, answering, ask, part, scope, telling
from webapp.door import bridge as bridge_module


@pytest.mark.parametrize(
    ("target", "path", "host"),
    [
        ("/a/b", "/a/b", "given"),
        ("/a%20b/%C3%A4", "/a b/\xc3\xa4", "given"),
        ("/%2e%2e/%2f", "/..//", "given"),
        ("/a/../b/./c", "/a/../b/./c", "given"),
        ("//elsewhere/a", "//elsewhere/a", "given"),
        ("/%00", "/\x00", "given"),
        ("http://other:81/a?", "/a?", "other:81"),
        ("HTTPS://other", "/", "other"),
        ("ftp://other/a", "ftp://other/a", "given"),
        ("*", "*", "given"),
        ("/a#b", "/a", "given"),
    ],
)
def test_a_target_is_what_wsgi_makes_of_it(make_door: MakeDoor, target: str, path: str, host: str) -> None:
    seen: list[dict[str, Any]] = []

    def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ)
        return answering()(environ, start_response)  # type: ignore[no-any-return]

    ask(make_door(wsgi), scope(target, host="given"))
    assert (seen[0]["PATH_INFO"], seen[0]["HTTP_HOST"]) == (path, host)


def test_headers_are_what_wsgi_makes_of_them(make_door: MakeDoor) -> None:
    asked = scope("/", "POST", content_type="a/b", x_one="1", transfer_encoding="chunked")
    asked["headers"] += [(b"x-two", b"2"), (b"x-two", b"\xe4")]
    told = ask(make_door(telling), asked, part(b"12"), part(b"3", is_last=True))
    assert told.body == b"123"
    wanted = {
        b"X-CONTENT_TYPE": b"a/b",
        b"X-CONTENT_LENGTH": b"3",
        b"X-HTTP_X_ONE": b"1",
        b"X-HTTP_X_TWO": b"2,\xe4",
        b"X-REMOTE_ADDR": b"192.0.2.1",
        b"X-SERVER_PORT": b"8000",
        b"X-SERVER_PROTOCOL": b"HTTP/1.1",
        b"X-REQUEST_METHOD": b"POST",
    }
    assert wanted.items() <= told.headers.items()
    assert b"X-HTTP_TRANSFER_ENCODING" not in told.headers


def test_a_body_that_is_announced_too_long_is_not_read(make_door: MakeDoor) -> None:
    told = ask(make_door(telling, web_max_body_bytes=2000), scope("/", "POST", content_length="2001"), part(b"x"))
    assert (told.received, told.body, told.headers[b"X-CONTENT_LENGTH"]) == (0, b"", b"2001")
    assert told.headers[b"Connection"] == b"close"


def test_a_body_that_turns_out_too_long_is_read_no_further(make_door: MakeDoor) -> None:
    parts = [part(b"x" * 1500), part(b"x" * 1500), part(b"x" * 1500)]
    told = ask(make_door(telling, web_max_body_bytes=2000), scope("/", "POST", transfer_encoding="chunked"), *parts)
    assert (told.received, told.body, told.headers[b"X-CONTENT_LENGTH"]) == (2, b"", b"3000")
    assert told.headers[b"Connection"] == b"close"


def test_a_body_that_does_not_come_is_given_up(make_door: MakeDoor) -> None:
    door = make_door(telling, web_body_timeout_s=0.1)
    told = ask(door, scope("/", "POST", content_length="10"), part(b"12345"))
    assert (told.status, told.headers[b"Connection"]) == (408, b"close")
    assert ask(door, scope("/")).status == 200, "and nothing is left of it"


def test_a_body_that_is_slow_but_comes_is_taken(make_door: MakeDoor) -> None:
    door = make_door(telling, web_body_timeout_s=0.3)
    size = bridge_module.PIECE_BYTES

    class Slow(Client):
        async def receive(self) -> dict[str, Any]:
            await asyncio.sleep(0.1)
            return await super().receive()

    client = Slow(*[part(b"x" * size)] * 8, part(b"", is_last=True))
    asked = scope("/", "POST", content_length=str(8 * size))
    asyncio.run(door(asked, client.receive, client.send))
    assert len(client.body) == 8 * size


def test_who_hangs_up_before_the_request_is_there_is_answered_nothing(make_door: MakeDoor) -> None:
    door = make_door(telling)
    assert ask(door, scope("/", "POST", content_length="10"), part(b"12345"), HUNG_UP).sent == []
