"""How a worker of gunicorn's serves the door: listening, living, and ending without a request that fails.

gunicorn's own way closes the door at once, while connections are still on their way, and waits for idle ones as long
as it may. Here a worker that is to end (TERM, a reload, `max_requests`):

1. is not ready any more, tells its streams to end, and has each answer be the last one on its connection;
2. goes on accepting, until a router or its successor has taken over;
3. takes what the kernel has already accepted for it, and only then stops listening;
4. finishes what is there, and ends when the last connection is gone, or when its time is up.

One listener is shared by all workers of a master: what a worker has not taken when it ends is another one's, and waits
for it if there is none.
"""

import asyncio
import os
import resource
import signal
import socket
import sys
from typing import Any

from webapp.door import Door
from webapp.door.connection import Connection

TICK_S = 0.1
"""How often a worker looks whether it is to end, in s."""

ACCEPT_S = 4.0
"""For how long a worker that is to end still accepts connections, in s: routers ask every few seconds who is ready, and
a successor takes two or three to start.
"""
QUIET_S = 0.5
"""When for so long, in s, nobody came and nobody is there, nobody is waited for."""

END_S = 8.5
"""After so long, in s, a worker ends with whatever is left. Process managers lose patience after ten."""

PAUSE_S = 0.5
"""How long no connection is accepted when there is no file descriptor left for one, in s."""


async def serve(worker: Any, door: Door, heeding: set[signal.Signals]) -> None:
    """Serve until the worker is to end, and end. The signals that say so have waited until now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, heeding)
    # Many systems begin with 1,024 open files, and allow for more.
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    listeners = [Listener(worker, door, sock.sock) for sock in worker.sockets]
    turn = Turn(worker)
    while worker.alive and worker.ppid == os.getppid():
        worker.notify()
        door.relieve()
        await asyncio.sleep(TICK_S)
        if worker.nr >= turn.after and turn.has_come():
            worker.alive = False
    await _drain(worker, door, listeners)
    await door.close()


async def _drain(worker: Any, door: Door, listeners: "list[Listener]") -> None:
    worker.alive = False  # gunicorn then has each answer be the last one on its connection.
    door.drain()
    loop = asyncio.get_running_loop()
    began = last = loop.time()
    answered = -1
    while loop.time() - began < END_S and not worker._quick_shutdown:
        is_empty = worker.nr_conns + sum(listener.coming for listener in listeners) == 0
        if worker.nr != answered or not is_empty:
            answered, last = worker.nr, loop.time()
        if loop.time() - began > ACCEPT_S or loop.time() - last > QUIET_S:
            for listener in listeners:
                listener.close()
            if is_empty:
                break
        worker.notify()
        door.relieve()
        await asyncio.sleep(TICK_S)


class Listener:
    """Accepts connections, one at a time, so that those that come at once are shared by the workers who listen."""

    def __init__(self, worker: Any, door: Door, listening: socket.socket) -> None:
        self._worker, self._door, self._listening = worker, door, listening
        self._loop = asyncio.get_running_loop()
        self._coming: set[asyncio.Task[Any]] = set()
        self._is_closed = False
        listening.setblocking(False)
        self._listen()

    @property
    def coming(self) -> int:
        """Return how many connections were accepted and are not yet made."""
        return len(self._coming)

    def close(self) -> None:
        """Take what is there, and stop listening."""
        if not self._is_closed:
            while self._accept():
                pass
            self._is_closed = True
            self._loop.remove_reader(self._listening.fileno())
            self._listening.close()

    def _listen(self) -> None:
        if not self._is_closed:
            self._loop.add_reader(self._listening.fileno(), self._accept)

    def _accept(self) -> bool:
        """Accept a connection, and say whether there was one."""
        try:
            connection, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False  # Another worker was faster, or the client has gone.
        except OSError as error:
            self._worker.log.error("Cannot accept a connection: %s", error)
            self._loop.remove_reader(self._listening.fileno())
            self._loop.call_later(PAUSE_S, self._listen)
            return False
        connection.setblocking(False)
        coming = self._loop.create_task(
            self._loop.connect_accepted_socket(lambda: Connection(self._worker, self._door), connection)
        )
        self._coming.add(coming)
        coming.add_done_callback(self._coming.discard)
        return True


class Turn:
    """When a worker ends because it has answered enough: one after the other, however even their load is.

    `after` is the number of requests. Whose turn it is has a name that the kernel gives to one at a time, and takes
    back from a process that has ended.
    """

    def __init__(self, worker: Any) -> None:
        self.after, worker.max_requests = worker.max_requests, sys.maxsize
        self._name = f"\0driving-sessions-{worker.ppid}-ends"
        self._held: socket.socket | None = None

    def has_come(self) -> bool:
        """Say whether no other worker of the same master is about to end."""
        held = socket.socket(socket.AF_UNIX)
        try:
            held.bind(self._name)
        except OSError:
            held.close()
            return False
        self._held = held
        return True
