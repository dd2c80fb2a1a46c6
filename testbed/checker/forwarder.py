"""An address in front of Redis servers, in a process of its own: the load's interpreter carries none of its traffic."""

import asyncio
import subprocess
import sys
from pathlib import Path

from embedded.ports import LOOPBACK
from testbed.closing import Closing

CHECKOUT = Path(__file__).resolve().parents[2]
NOWHERE = 0
STOP_TIMEOUT_S = 5.0


class ForwardedAddress(Closing):
    """A port of its own that leads to one server now, and to another one later.

    Connections that stand are closed before the first new one leads elsewhere, so that nobody is left behind.
    """

    def __init__(self) -> None:
        self._forwarder = subprocess.Popen(
            [sys.executable, "-m", __name__], cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = int(self._answer())

    def lead_to(self, port: int) -> None:
        """Close all connections, and lead new ones to this port; to `NOWHERE`, they are closed at once."""
        assert self._forwarder.stdin
        self._forwarder.stdin.write(f"{port}\n")
        self._forwarder.stdin.flush()
        self._answer()

    def close(self) -> None:
        """End the process."""
        assert self._forwarder.stdin
        assert self._forwarder.stdout
        self._forwarder.stdin.close()
        self._forwarder.wait(STOP_TIMEOUT_S)
        self._forwarder.stdout.close()

    def _answer(self) -> str:
        assert self._forwarder.stdout
        line = self._forwarder.stdout.readline()
        if not line:
            raise RuntimeError("the address has ended")
        return line


class End(asyncio.Protocol):
    """One end of a connection: what arrives here leaves at the other one. What Redis is sent is small: nobody is asked
    to wait.
    """

    def __init__(self, ends: set["End"]) -> None:
        self._ends = ends
        self._transport: asyncio.Transport | None = None
        self._waiting = b""
        self.peer: End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what has come for it meanwhile."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ends.add(self)
        transport.write(self._waiting)

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        assert self.peer
        self.peer.send(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the other end, too."""
        self._ends.discard(self)
        if self.peer:
            self.peer.abort()

    def send(self, data: bytes) -> None:
        """Send, now or as soon as there is a connection."""
        if self._transport is None:
            self._waiting += data
        else:
            self._transport.write(data)

    def abort(self) -> None:
        """Close at once, and drop what was not sent."""
        if self._transport is not None:
            self._transport.abort()


class Client(End):
    """The end of a client, which makes the end of the server."""

    def __init__(self, forwarder: "Forwarder") -> None:
        super().__init__(forwarder.ends)
        self._forwarder = forwarder

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the server."""
        super().connection_made(transport)
        server = End(self._ends)
        server.peer, self.peer = self, server
        self._connecting = asyncio.create_task(self._connect(server, self._forwarder.port))

    async def _connect(self, server: End, port: int) -> None:
        try:
            if port != NOWHERE:
                await asyncio.get_running_loop().create_connection(lambda: server, LOOPBACK, port)
        except OSError:
            port = NOWHERE
        # The client may have gone meanwhile, or the address may lead elsewhere by now.
        if port == NOWHERE or port != self._forwarder.port or self not in self._ends:
            server.abort()
            self.abort()


class Forwarder:
    """What the process does: lead to the port that was named last, and obey."""

    def __init__(self) -> None:
        self.port = NOWHERE
        self.ends: set[End] = set()

    async def run(self) -> None:
        """Listen, tell the port, and go on until the end of the input."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Client(self), LOOPBACK, 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            self.port = int(line)
            for end in tuple(self.ends):
                end.abort()
            print("closed", flush=True)


if __name__ == "__main__":
    asyncio.run(Forwarder().run())
