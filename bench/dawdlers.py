"""Measure what readers of the cache notice of others: who dawdles, who computes, who just listens.

    python -m bench.dawdlers [--seconds 5] [--connections 16] [--threads 2] [--processes 1]

One web process (unless told otherwise) that is not pinned, as in production. Readers ask for cached sessions over
keep-alive connections, each as soon as it has its answer, while nobody else is there; while 200 clients have sent half
a request, and others log in; while as many clients as there can be keep Flask's threads busy with lists that come from
the database; and while 1,000 live streams are open. Everybody takes their share of the same cores.
"""

import argparse
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from bench.contenders import LIST, OURS, READ, Contender, Field
from bench.load import Job, Load, Result
from bench.rows import insert_sessions
from bench.servers import LOAD_CORE, WebServer, bearer, request
from bench.slices import percentile
from bench.stores import Stores, stores
from testbed import streaming
from testbed.api import Api
from testbed.raw import Raw, allow_for_many
from webapp.database import db

SLICE_S = 0.25
HALVES, STREAMS, BUSY_CONNECTIONS = 200, 1_000, 16
PASSWORD = "correct horse battery"
HALF_A_HEAD = b"GET /api/v1/sessions HTTP/1.1\r\nHost: a\r\nX-Half"
HALF_A_BODY = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n{"


def main() -> None:
    """Run the benchmark and print its table."""
    options = arguments()
    allow_for_many()
    with stores() as stands, Load(LOAD_CORE) as load:
        reader = prepared(stands, options)
        with WebServer(reader.program, core=None, log=stands.folder / "web.log") as server:
            job = reader.job(server.port, options.connections, SLICE_S)
            read(job, load, 1.0)  # The first reads warm everything up.
            rows = [row("nobody", read(job, load, options.seconds), "")]
            for name, meanwhile in MEANWHILE.items():
                with meanwhile(server, stands) as told:
                    rows.append(row(name, read(job, load, options.seconds), told()))
    print("| meanwhile | reads/s | p50 ms | p99 ms | slowest ms | and |\n|---|---|---|---|---|---|")
    print("\n".join(rows))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.dawdlers")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each condition lasts (5)")
    parser.add_argument("--connections", type=int, default=16, help="keep-alive connections that read (16)")
    parser.add_argument("--threads", type=int, default=2, help="WEB_THREADS (2)")
    parser.add_argument("--processes", type=int, default=1, help="WEB_CONCURRENCY (1)")
    return parser.parse_args()


def prepared(stands: Stores, options: argparse.Namespace) -> Contender:
    """Fill database and cache, and return the server and what its readers ask for."""
    with stands.app.app_context():
        insert_sessions(db.engine, READ.stop)
    stands.administer("ANALYZE")
    stands.warm(READ)
    hits = Field(stands, Path()).hits(OURS, READ)
    environment = {
        **hits.program.environment,
        "RATELIMIT_ENABLED": "0",
        "WEB_THREADS": str(options.threads),
        "WEB_CONCURRENCY": str(options.processes),
    }
    return replace(hits, program=replace(hits.program, app="testbed.streaming:app", environment=environment))


def read(job: Job, load: Load, seconds: float) -> list[Result]:
    """Read for so long. Raises LoadError when any read fails."""
    until, found = time.monotonic() + seconds, []
    while time.monotonic() < until:
        found.append(load.run(job))
    return found


@contextmanager
def halves(server: WebServer, _stands: Stores) -> Iterator[Callable[[], str]]:
    """Have clients that send half a request, and others that register and log in."""
    seconds: list[float] = []

    def log_in() -> None:
        with Api(server.port, timeout_s=30) as api:
            account = {"email": f"{time.monotonic_ns()}@example.com", "password": PASSWORD}
            assert api.call("POST", "/api/v1/auth/register", body={**account, "full_name": "A"}).status == 201
            while not ended.is_set():
                answer = api.call("POST", "/api/v1/auth/login", body=account)
                assert answer.status == 200
                seconds.append(answer.seconds)
                ended.wait(0.2)

    ended = threading.Event()
    with ExitStack() as stack:
        for number in range(HALVES):
            raw = stack.enter_context(Raw(server.port))
            raw.send(HALF_A_HEAD if number % 2 else HALF_A_BODY)
        with ThreadPoolExecutor(1) as thread:
            logging_in = thread.submit(log_in)
            try:
                yield lambda: f"{len(seconds)} logins, the slowest {max(seconds, default=0) * 1000:.0f} ms"
            finally:
                ended.set()
            logging_in.result()


@contextmanager
def busy(server: WebServer, stands: Stores) -> Iterator[Callable[[], str]]:
    """Keep Flask's threads busy."""
    lists = [request("GET", f"{LIST}?status=active", bearer(stands.token_of(0)))]
    job = Job(server.port, lists, BUSY_CONNECTIONS, SLICE_S)
    results: list[Result] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            results.append(other.run(job))

    with Load(LOAD_CORE) as other, ThreadPoolExecutor(1) as thread:
        asking = thread.submit(ask)
        try:
            yield lambda: f"{sum(r.answers for r in results) / sum(r.seconds for r in results):.0f} lists/s"
        finally:
            ended.set()
        asking.result()


@contextmanager
def streams(server: WebServer, _stands: Stores) -> Iterator[Callable[[], str]]:
    """Hold live streams open."""
    before = memory(server)
    with ExitStack() as stack:
        opened = [stack.enter_context(Raw(server.port)) for _ in range(STREAMS)]
        for raw in opened:
            raw.send(f"GET {streaming.PATH} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert all(streaming.FIRST in raw.read_some() for raw in opened)
        each_kib = (memory(server) - before) / STREAMS / 1024
        yield lambda: f"{STREAMS} streams of {each_kib:.0f} KiB"


MEANWHILE: dict[str, Callable[[WebServer, Stores], AbstractContextManager[Callable[[], str]]]] = {
    f"{HALVES} half requests": halves,
    "Flask's threads are busy": busy,
    "live streams": streams,
}


def memory(server: WebServer) -> int:
    """Return the memory that the worker processes share with nobody, in bytes."""
    return sum(process.memory_full_info().uss for process in psutil.Process(server.pid).children())


def row(name: str, results: list[Result], told: str) -> str:
    """Write what readers met."""
    latencies_us = [latency for result in results for latency in result.latencies_us]
    rate = statistics.mean(result.answers / result.seconds for result in results)
    times = " | ".join(f"{percentile(latencies_us, percent) / 1000:.1f}" for percent in (50, 99, 100))
    return f"| {name} | {rate:.0f} | {times} | {told} |"


if __name__ == "__main__":
    main()
