"""Servers to play against: the real application, and one that says what it is told."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import HTTPServer
from threading import Thread

import pytest
from flask import Flask
from werkzeug.serving import make_server

from driveplayer.account import Account
from driveplayer.client import Client
from tests.driveplayer.told import Told


@contextmanager
def serving(server: HTTPServer) -> Iterator[None]:
    """Serve from a thread."""
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    """The real application, over HTTP."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    """A client of the real application that would rather fail than wait."""
    with Client(url, pause=never) as client:
        yield client


@pytest.fixture
def account(client: Client) -> Account:
    """A driver of the real application who has logged in."""
    account = Account(client)
    account.register()
    account.log_in()
    return account


@pytest.fixture
def told() -> Iterator[Callable[..., Told]]:
    """Start a server that gives these answers, one after the other."""
    with ExitStack() as stack:

        def start(*answers: object) -> Told:
            server = Told(answers)
            stack.enter_context(serving(server))
            return server

        yield start


def never(seconds: float) -> None:
    """Fail instead of waiting."""
    raise AssertionError(f"waits for {seconds} s")
