"""Both ways in: Flask as any WSGI server calls it, and the door in front of it, as gunicorn's event loop does.

`way_in` runs a test twice, with clients of either.
"""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import pytest
import uvloop
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import run_wsgi_app

from testbed.closing import Closing
from webapp.door import Door
from webapp.door.asgi import Message, Scope
from webapp.threads import threads_of

PATIENCE_S = 60.0
MOST_CLIENTS = 150


class DoorKeeper(Closing):
    """An event loop in a thread of its own, and the doors of applications in it."""

    def __init__(self) -> None:
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="door", daemon=True)
        self._thread.start()
        self._doors: dict[int, Door] = {}

    @property
    def thread_id(self) -> int | None:
        return self._thread.ident

    def door_of(self, app: Flask) -> Door:
        if id(app) not in self._doors:
            self._doors[id(app)] = Door(app)
        return self._doors[id(app)]

    def clients(self) -> type[FlaskClient]:
        """Return the class of clients that come to the door."""
        keeper = self

        class DoorClient(FlaskClient):
            def run_wsgi_app(self, environ: Any, buffered: bool = False) -> Any:
                return run_wsgi_app(AtTheDoor(keeper, self.application), environ, buffered=buffered)

        return DoorClient

    def run(self, coroutine: Any) -> Any:
        """Run something in the event loop, and wait for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(PATIENCE_S)

    def close_doors(self) -> None:
        for door in self._doors.values():
            self.run(door.close())
            threads_of(door.app).shutdown()
        self._doors.clear()

    def close(self) -> None:
        self.close_doors()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE_S)
        self.loop.close()


class AtTheDoor:
    """A door as a WSGI application, for clients that know no other."""

    def __init__(self, keeper: DoorKeeper, app: Flask) -> None:
        self._keeper, self._door = keeper, keeper.door_of(app)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        sent: list[Message] = []
        requests = [{"type": "http.request", "body": environ["wsgi.input"].read(), "more_body": False}]

        async def receive() -> Message:
            return requests.pop()

        async def send(message: Message) -> None:
            sent.append(message)

        self._keeper.run(self._door(scope_of(environ), receive, send))
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in sent[0]["headers"]]
        status = HTTPStatus(sent[0]["status"])
        start_response(f"{status} {status.phrase.upper()}", headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else message["body"] for message in sent[1:]]


def scope_of(environ: dict[str, Any]) -> Scope:
    """Return what a server says by ASGI of a request that is described by WSGI."""
    names = {"CONTENT_TYPE": "CONTENT-TYPE", "CONTENT_LENGTH": "CONTENT-LENGTH"}
    names |= {name: name.removeprefix("HTTP_") for name in environ if name.startswith("HTTP_")}
    path = environ["PATH_INFO"].encode("latin-1")
    return {
        "type": "http",
        "http_version": "1.1",
        "method": environ["REQUEST_METHOD"],
        "scheme": environ["wsgi.url_scheme"],
        "path": path.decode(errors="replace"),
        "raw_path": quote(path, safe="/").encode(),
        "query_string": environ["QUERY_STRING"].encode("latin-1"),
        "headers": [
            (name.replace("_", "-").lower().encode(), str(environ[key]).encode("latin-1"))
            for key, name in names.items()
            if key in environ and (environ[key] != "" or name == key[5:])  # WSGI may leave the first two empty.
        ],
        "server": (environ["SERVER_NAME"], int(environ["SERVER_PORT"])),
        "client": (environ.get("REMOTE_ADDR", "127.0.0.1"), 0),
    }


def clients_of(app: Flask, way_in: str) -> Executor:
    """Return what has many clients call at once: the application's own threads, or threads before the door."""
    return threads_of(app) if way_in == "flask" else ThreadPoolExecutor(MOST_CLIENTS)


@pytest.fixture(scope="package", params=["flask", "door"])
def way_in(request: pytest.FixtureRequest) -> Iterator[str]:
    """Have all clients call Flask, or all clients the door."""
    if request.param == "flask":
        yield "flask"
        return
    with DoorKeeper() as keeper, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Flask, "test_client_class", keeper.clients())
        yield "door"
