"""The load: requests over keep-alive connections, from a process of its own.

Each connection sends its next request as soon as it has the answer to the last one. Plain sockets and epoll, because
whatever the generator spends on a request it takes from the server that it measures, if they share a core; so it is
pinned to another one.

    with Load(core=1) as load:
        result = load.run(Job(port, requests, connections=16, seconds=1.0))
"""

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import cycle
from types import TracebackType
from typing import Self

PATIENCE_S = 10.0
LOOPBACK = "127.0.0.1"
HIT = b"session-cache; hit"
TEXT = "latin-1"  # Every byte is one character, so that requests can travel as JSON.


class LoadError(Exception):
    """The server closed a connection, was silent for too long, or answered with another status than expected."""


@dataclass(frozen=True)
class Job:
    """What to ask for. The requests are sent in turn, for so many seconds or, with 0, each of them once.

    Requests that are `dealt` belong to one connection each, in turn: it sends its own in order, none twice, and stops
    when there are no more. `min_hits` is the share of answers that must come from our cache for the job to be of use to
    who gave it.
    """

    port: int
    requests: list[bytes]
    connections: int = 16
    seconds: float = 0.0
    status: int = 200
    min_hits: float = 0.0
    dealt: bool = False

    def supplies(self) -> list[Iterator[bytes]]:
        """Return where each connection takes its requests from."""
        if self.dealt:
            return [iter(self.requests[n :: self.connections]) for n in range(self.connections)]
        return [cycle(self.requests) if self.seconds else iter(self.requests)] * self.connections


@dataclass(frozen=True)
class Result:
    """What came of it: how many answers in how many seconds, how many of them hits, and how long each took, in µs.

    `by_caller` is how many of the answers each connection had.
    """

    answers: int
    hits: int
    seconds: float
    latencies_us: list[int]
    by_caller: list[int]


class Load:
    """A generator process, pinned to a core."""

    def __init__(self, core: int) -> None:
        self._core = core

    def run(self, job: Job) -> Result:
        """Do one job. Raises LoadError."""
        assert self._process.stdin is not None and self._process.stdout is not None
        text = {**asdict(job), "requests": [request.decode(TEXT) for request in job.requests]}
        self._process.stdin.write(json.dumps(text).encode() + b"\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise LoadError(answer["error"])
        return Result(**answer)

    @property
    def pid(self) -> int:
        """Return the process id of the generator."""
        return self._process.pid

    def __enter__(self) -> Self:
        """Start the process."""
        command = [sys.executable, "-m", "bench.load", str(self._core)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process: it stops at the end of its input."""
        self._process.communicate(timeout=PATIENCE_S)


class Connection:
    """One keep-alive connection with at most one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((LOOPBACK, port), timeout=PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_at = 0.0
        self._received = b""

    def send(self, request: bytes) -> None:
        """Send a request."""
        self._received = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bytes | None:
        """Take in what has come; return the answer when it is whole. Raises LoadError when the server hung up."""
        received = self.socket.recv(65_536)
        if not received:
            raise LoadError("the server closed a connection")
        self._received += received
        return self._received if is_whole(self._received) else None


class Caller:
    """A connection, and where its requests come from."""

    def __init__(self, port: int, supply: Iterator[bytes]) -> None:
        self.connection = Connection(port)
        self.answers = 0
        self._supply = supply

    def send_next(self) -> bool:
        """Send the next request, and say whether there was one."""
        request = next(self._supply, None)
        if request is not None:
            self.connection.send(request)
        return request is not None


def status_of(answer: bytes) -> int:
    """Return the status of an answer."""
    return int(answer[9:12])


def is_whole(answer: bytes) -> bool:
    """Say whether an answer has come completely. It must have a Content-Length, or be one without a body."""
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    _, named, rest = head.lower().partition(b"\r\ncontent-length:")
    if not named:
        if status_of(answer) in (204, 304):
            return True
        raise LoadError(f"an answer without Content-Length: {head[:200]!r}")
    return len(body) >= int(rest.partition(b"\r\n")[0])


def work(job: Job) -> Result:
    """Do a job in this process. Raises LoadError."""
    epoll = select.epoll()
    callers = {c.connection.socket.fileno(): c for c in (Caller(job.port, supply) for supply in job.supplies())}
    try:
        for fd in callers:
            epoll.register(fd, select.EPOLLIN)
        return _converse(job, epoll, callers)
    finally:
        epoll.close()
        for caller in callers.values():
            caller.connection.socket.close()


def _converse(job: Job, epoll: select.epoll, callers: dict[int, Caller]) -> Result:
    latencies_us: list[int] = []
    hits = 0
    started = time.perf_counter()
    until = started + (job.seconds or PATIENCE_S * 60)
    under_way = sum(caller.send_next() for caller in callers.values())
    while under_way:
        events = epoll.poll(PATIENCE_S)
        if not events:
            raise LoadError(f"no answer within {PATIENCE_S:g} s")
        for fd, _ in events:
            caller = callers[fd]
            answer = caller.connection.receive()
            if answer is None:
                continue
            now = time.perf_counter()
            if status_of(answer) != job.status:
                raise LoadError(f"expected {job.status}, got {answer[:600]!r}")
            hits += HIT in answer
            latencies_us.append(int((now - caller.connection.sent_at) * 1e6))
            caller.answers += 1
            if now >= until or not caller.send_next():
                under_way -= 1
    by_caller = [caller.answers for caller in callers.values()]
    return Result(len(latencies_us), hits, time.perf_counter() - started, latencies_us, by_caller)


def main() -> None:
    """Do the jobs that come in, one a line, until the end of the input."""
    os.sched_setaffinity(0, {int(sys.argv[1])})
    for line in sys.stdin:
        text = json.loads(line)
        job = Job(**{**text, "requests": [request.encode(TEXT) for request in text["requests"]]})
        try:
            print(json.dumps(asdict(work(job))), flush=True)
        except (LoadError, OSError) as error:
            print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)


if __name__ == "__main__":
    main()
