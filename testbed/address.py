"""An address that leads to one server now, and to another one later: what a failover looks like to a client."""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from embedded.valkey import Valkey
from testbed.closing import Closing

LOOPBACK = "127.0.0.1"
CHUNK = 65_536


class Address(Closing):
    """A TCP address of its own in front of servers that share a password."""

    def __init__(self, server: Valkey) -> None:
        self._server = server
        self._listener = socket.create_server((LOOPBACK, 0))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        """Return the URL of whichever server the address leads to."""
        parts = urlsplit(self._server.url)
        return f"{parts.scheme}://:{parts.password}@{LOOPBACK}:{self._listener.getsockname()[1]}/0"

    def lead_to(self, server: Valkey, *, is_closing: bool = True) -> None:
        """Lead new connections to another server; those that stand are closed, or stay where they are."""
        self._server = server
        if is_closing:
            self._close_all()

    def close(self) -> None:
        """Close everything."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._close_all()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                assert self._server.port is not None
                server = socket.create_connection((LOOPBACK, self._server.port))
            except OSError:
                return
            self._open += [client, server]
            for one, other in ((client, server), (server, client)):
                self._threads.append(threading.Thread(target=_pump, args=(one, other), daemon=True))
                self._threads[-1].start()

    def _close_all(self) -> None:
        while self._open:
            end = self._open.pop()
            _shut(end)
            end.close()


def _pump(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):  # The other half was closed.
        while data := one.recv(CHUNK):
            other.sendall(data)
    _shut(other)


def _shut(end: socket.socket) -> None:
    with suppress(OSError):  # It is closed already.
        end.shutdown(socket.SHUT_RDWR)
