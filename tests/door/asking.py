"""Requests to a door, message by message, as a server hands them over, and applications behind it."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from tests.shared.doors import scope_of
from webapp.door import Door

Wsgi = Callable[[dict[str, Any], Any], Any]
MakeDoor = Callable[..., Door]

Message = dict[str, Any]


def scope(path: str = "/", method: str = "GET", **headers: str) -> dict[str, Any]:
    """Describe a request."""
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    described = scope_of({**NOTHING_UNUSUAL, "PATH_INFO": path, "REQUEST_METHOD": method})
    return {**described, "headers": named, "raw_path": path.encode()}


NOTHING_UNUSUAL = {
    "wsgi.url_scheme": "http",
    "QUERY_STRING": "",
    "SERVER_NAME": "server",
    "SERVER_PORT": "8000",
    "REMOTE_ADDR": "192.0.2.1",
}


def part(body: bytes, *, is_last: bool = False) -> Message:
    """Make a part of a request's body."""
    return {"type": "http.request", "body": body, "more_body": not is_last}


HUNG_UP: Message = {"type": "http.disconnect"}


class Client:
    """Sends these messages one after the other, then nothing more, and takes what is sent to it when it likes."""

    def __init__(self, *messages: Message, takes: asyncio.Semaphore | None = None) -> None:
        self._messages, self._takes = list(messages), takes
        self.received = 0
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        if not self._messages:
            await asyncio.Event().wait()
        self.received += 1
        return self._messages.pop(0)

    async def send(self, message: Message) -> None:
        if self._takes is not None:
            await self._takes.acquire()
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])


def ask(door: Door, asked: dict[str, Any], *messages: dict[str, Any]) -> Client:
    """Ask a door, and return the client with what it was answered."""
    client = Client(*messages)

    async def in_a_loop() -> None:
        await asyncio.wait_for(door(asked, client.receive, client.send), 20)

    asyncio.run(in_a_loop())
    return client


def answering(*pieces: bytes) -> Wsgi:
    def wsgi(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("X-Told", "yes")])
        return list(pieces)

    return wsgi


def telling(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer with what is in the environ."""
    body = environ["wsgi.input"].read()
    told = {name: value for name, value in environ.items() if isinstance(value, str)}
    start_response("200 OK", [(f"X-{name}", value) for name, value in told.items()])
    return [body]


class Held:
    """Calls that last as long as the test wants."""

    def __init__(self) -> None:
        self.may_end, self.begun = threading.Event(), 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        self.begun += 1
        assert self.may_end.wait(20)
        return answering(b"done")(environ, start_response)


def together(door: Door, clients: list[tuple[dict[str, Any], Client]], then: Callable[[], object]) -> None:
    """Have all clients ask at once, do something, and wait for all answers."""

    async def in_a_loop() -> None:
        calls = [asyncio.ensure_future(door(asked, client.receive, client.send)) for asked, client in clients]
        await asyncio.sleep(0.1)
        await asyncio.to_thread(then)
        await asyncio.wait_for(asyncio.gather(*calls), 20)

    asyncio.run(in_a_loop())
