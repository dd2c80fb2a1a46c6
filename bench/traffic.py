"""Traffic at a chosen rate: calls come when they come, whether the server keeps up or not.

Latency counts from the moment a call was due, not from the moment a connection was free to send it: a server that falls
behind cannot hide it by making the generator wait.
"""

import random
import select
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.drivers import Call, Driver
from bench.load import HIT, Connection, LoadError, status_of

DRAIN_S = 5.0


@dataclass
class Report:
    """What came of it, by the name of the call: latencies in µs, and how many answers came from the cache."""

    latencies_us: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    hits: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    unanswered: int = 0
    reconnects: int = 0
    seconds: float = 0.0

    def hit_ratio(self, name: str) -> float:
        """Return the share of the answers to one call that came from the cache."""
        return self.hits[name] / max(1, len(self.latencies_us[name]))

    def all_latencies_us(self) -> list[int]:
        """Return the latencies of all calls."""
        return [latency for latencies in self.latencies_us.values() for latency in latencies]


@dataclass
class _UnderWay:
    call: Call
    driver: Driver
    due: float


class Traffic:
    """Drivers on keep-alive connections, as those of a proxy in front of the server."""

    def __init__(self, port: int, drivers: list[Driver], connections: int, seed: int) -> None:
        self._port = port
        self._idle_drivers = deque(drivers)
        self._chance = random.Random(seed)
        self._epoll = select.epoll()
        self._free: deque[Connection] = deque()
        self._busy: dict[int, tuple[Connection, _UnderWay]] = {}
        for _ in range(connections):
            self._connect()

    def close(self) -> None:
        """Close every connection."""
        self._epoll.close()
        for connection in (*self._free, *(connection for connection, _ in self._busy.values())):
            connection.socket.close()

    def start_drives(self) -> None:
        """Have every driver start a drive, as fast as the server allows."""
        report = Report()
        due = deque([time.perf_counter()] * len(self._idle_drivers))
        while due or self._busy:
            self._send(due, lambda driver: driver.start())
            self._receive(report, 1.0)
        if report.wrong:
            raise LoadError(report.wrong[0])

    def run(self, rate: float, seconds: float) -> Report:
        """Make `rate` calls a second, at random moments, for so many seconds."""
        report, due = Report(), deque[float]()
        self._connect_anew()
        started = next_due = time.perf_counter()
        until = started + seconds
        while (now := time.perf_counter()) < until:
            while next_due <= now:
                due.append(next_due)
                next_due += self._chance.expovariate(rate)
            self._send(due, lambda driver: driver.next_call(self._chance))
            self._receive(report, max(0.0, next_due - time.perf_counter()))
        report.seconds = time.perf_counter() - started
        while self._busy and time.perf_counter() < until + DRAIN_S:
            self._receive(report, 0.1)
        report.unanswered = len(due) + len(self._busy)
        return report

    def _send(self, due: deque[float], choose: Callable[[Driver], Call]) -> None:
        while due and self._free and self._idle_drivers:
            driver, connection = self._idle_drivers.popleft(), self._free.popleft()
            under_way = _UnderWay(choose(driver), driver, due.popleft())
            self._busy[connection.socket.fileno()] = (connection, under_way)
            connection.send(under_way.call.request)

    def _receive(self, report: Report, timeout_s: float) -> None:
        for fd, _ in self._epoll.poll(timeout_s):
            if fd not in self._busy:
                self._replace_idle(fd, report)
                continue
            connection, under_way = self._busy[fd]
            try:
                answer = connection.receive()
            except (LoadError, OSError) as error:
                self._lost(fd, under_way, report, error)
                continue
            if answer is not None:
                self._take(fd, answer, report)

    def _take(self, fd: int, answer: bytes, report: Report) -> None:
        connection, under_way = self._busy.pop(fd)
        call = under_way.call
        report.latencies_us[call.name].append(int((time.perf_counter() - under_way.due) * 1e6))
        head, _, body = answer.partition(b"\r\n\r\n")
        if status_of(answer) in call.statuses:
            call.learn(head, body)
        else:
            report.wrong.append(f"{call.name}: {answer[:400]!r}")
        report.hits[call.name] += HIT in head
        self._idle_drivers.append(under_way.driver)
        if b"\r\nconnection: close" in head.lower():
            self._drop(connection, report)
        else:
            self._free.append(connection)

    def _lost(self, fd: int, under_way: _UnderWay, report: Report, error: Exception) -> None:
        connection, _ = self._busy.pop(fd)
        report.wrong.append(f"{under_way.call.name}: {error}")
        self._idle_drivers.append(under_way.driver)
        self._drop(connection, report)

    def _replace_idle(self, fd: int, report: Report) -> None:
        connection = next(each for each in self._free if each.socket.fileno() == fd)
        self._free.remove(connection)
        self._drop(connection, report)

    def _drop(self, connection: Connection, report: Report) -> None:
        report.reconnects += 1
        self._epoll.unregister(connection.socket)
        connection.socket.close()
        self._connect()

    def _connect_anew(self) -> None:
        """Connect anew whoever is idle: the server may be about to close what was idle for long."""
        for connection in [*self._free]:
            self._free.remove(connection)
            self._drop(connection, Report())

    def _connect(self) -> None:
        connection = Connection(self._port)
        self._epoll.register(connection.socket, select.EPOLLIN)
        self._free.append(connection)
