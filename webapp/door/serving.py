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
import gc
import os
import resource
import signal
import socket
import sys
from typing import Any

from gunicorn.arbiter import Arbiter

from webapp.door import Door
from webapp.door.connection import MOST_SURPLUS, Connection
from webapp.threads import threads_of

TICK_S = 0.1
"""How often a worker looks whether it is to end, in s."""

ACCEPT_S = 4.0
"""For how long a worker that is to end still accepts connections, in s: routers ask every few seconds who is ready, and
a successor takes two or three to start.
"""
QUIET_S = 0.5
"""When for so long, in s, nobody came and nobody is there, nobody is waited for."""

END_S = 6.5
"""After so long, in s, a worker ends with whatever is left. `bin/run` loses patience after seven, others after ten."""

MOST_AT_ONCE = 64
"""So many connections are accepted before others get their turn."""

OTHER_FILES = MOST_SURPLUS + 128
"""So many files may be open beside the connections: surplus ones, those to the stores, and a few that Python needs."""

PAUSE_S = 0.5
"""How long no connection is accepted when there is no file descriptor left for one, in s."""


async def serve(worker: Any, heeding: set[signal.Signals]) -> None:
    """Serve until the worker is to end, and end. The signals that say so have waited until now.

    Whoever names wsgi:app gets a door before it, too.
    """
    door = worker.asgi = worker.asgi if isinstance(worker.asgi, Door) else Door(worker.asgi)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, heeding)
    _allow_for_files(worker, door)
    # What was made by now stays. To look through it for garbage takes 85 ms, every second under load, for everybody.
    gc.collect()
    gc.freeze()
    listeners = [Listener(worker, door, sock.sock) for sock in worker.sockets]
    turn = Turn(worker)
    threads_of(door.app).start()
    is_recycled = False
    while worker.alive and worker.ppid == os.getppid() and not is_recycled:
        worker.notify()
        await asyncio.sleep(TICK_S)
        is_recycled = worker.nr >= turn.after and turn.has_come()
    # Who has answered enough has siblings, or a successor in a moment: the address as a whole is ready all the time.
    door.drain(is_ready=is_recycled)
    await _drain(worker, listeners)
    await door.close()


def _allow_for_files(worker: Any, door: Door) -> None:
    # Many systems begin with 1,024 open files, and allow for more.
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    if most_files != resource.RLIM_INFINITY:
        door.most_connections = min(door.most_connections, most_files - OTHER_FILES)
    if door.most_connections < 1:
        worker.log.error("A limit of %d open files leaves none for connections", most_files)
        sys.exit(Arbiter.APP_LOAD_ERROR)


async def _drain(worker: Any, listeners: "list[Listener]") -> None:
    worker.alive = False  # gunicorn then has each answer be the last one on its connection.
    loop = asyncio.get_running_loop()
    began = last = loop.time()
    answered = -1
    while loop.time() - began < END_S and not worker._quick_shutdown:
        if loop.time() - began > ACCEPT_S or loop.time() - last > QUIET_S:
            for listener in listeners:
                listener.close()
        is_empty = worker.nr_conns + sum(listener.coming for listener in listeners) == 0
        if is_empty and all(listener.is_closed for listener in listeners):
            break
        if worker.nr != answered or not is_empty:
            answered, last = worker.nr, loop.time()
        worker.notify()
        await asyncio.sleep(TICK_S)


class Listener:
    """Accepts connections: as many at a time as there are already, so that those that come at once are shared by the
    workers who listen, and a crowd is accepted in a few steps all the same.
    """

    def __init__(self, worker: Any, door: Door, listening: socket.socket) -> None:
        self._worker, self._door, self._listening = worker, door, listening
        self._loop, self._tls = asyncio.get_running_loop(), worker._get_ssl_context()
        self._coming: set[asyncio.Task[Any]] = set()
        self.is_closed = False
        listening.setblocking(False)
        self._listen()

    @property
    def coming(self) -> int:
        """Return how many connections were accepted and are not yet made."""
        return len(self._coming)

    def close(self) -> None:
        """Take what is there, and stop listening."""
        if not self.is_closed:
            while self._accept_one():
                pass
            self.is_closed = True
            self._loop.remove_reader(self._listening.fileno())
            self._listening.close()

    def _listen(self) -> None:
        if not self.is_closed:
            self._loop.add_reader(self._listening.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(min(max(1, self._worker.nr_conns + self.coming), MOST_AT_ONCE)):
            if not self._accept_one():
                return

    def _accept_one(self) -> bool:
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
            self._loop.connect_accepted_socket(lambda: Connection(self._worker, self._door), connection, ssl=self._tls)
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
        self._name, self._holder = f"\0driving-sessions-{worker.ppid}-ends", socket.socket(socket.AF_UNIX)

    def has_come(self) -> bool:
        """Say whether no other worker of the same master is about to end."""
        try:
            self._holder.bind(self._name)
        except (OSError, ValueError):  # Or there are no such names, as on a Mac: then nobody ends for this.
            return False
        return True
