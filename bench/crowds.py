"""Measure what a crowd that logs in or registers at once waits for, and what readers of the cache notice of it.

    python -m bench.crowds [--people 100] [--rounds 3] [--readers 4]

gunicorn with two workers and passwords at full cost, as in production; the limits per address are off, because the
crowd has one. Everybody begins together, each on a connection of their own. Meanwhile readers ask for cached sessions
over keep-alive connections, each as soon as it has its answer; they do so for a while before, with nobody else there.
The crowd, the readers, Valkey and PostgreSQL take their share of the same cores.
"""

import argparse
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.contenders import OURS, READ, Contender, Field
from bench.load import Job, Load, Result
from bench.rows import insert_sessions
from bench.servers import LOAD_CORE, WebServer
from bench.slices import percentile
from bench.stores import Stores, stores
from testbed.api import Answer, Api
from webapp.database import db

AS_IN_PRODUCTION = {"WEB_CONCURRENCY": "2", "RATELIMIT_ENABLED": "0"}
PASSWORD = "correct horse battery"
PATIENCE_S = 60.0
SLICE_S = 0.25
ALONE_S = 5.0


@dataclass
class Crowd:
    """What a crowd met, and what readers did meanwhile; times in s."""

    answers: list[Answer] = field(default_factory=list)
    seconds: float = 0.0
    reads: list[Result] = field(default_factory=list)


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(prog="python -m bench.crowds")
    parser.add_argument("--people", type=int, default=100, help="how many come at once (100)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each crowd comes (3)")
    parser.add_argument("--readers", type=int, default=4, help="keep-alive connections that read meanwhile (4)")
    options = parser.parse_args()
    load_before = os.getloadavg()
    with stores() as stands, Load(LOAD_CORE) as load:
        reader = prepared(stands)
        with WebServer(reader.program, core=None, log=stands.folder / "web.log") as server:
            job = reader.job(server.port, options.readers, SLICE_S)
            found = [one_round(number, options.people, job, load) for number in range(options.rounds + 1)]
    print(f"Load average before {load_before[0]:.1f}, after {os.getloadavg()[0]:.1f}\n")
    print(table(found[1:]))  # The first round warms everything up.


def prepared(stands: Stores) -> Contender:
    """Fill database and cache, and return the server and what its readers ask for."""
    with stands.app.app_context():
        insert_sessions(db.engine, READ.stop)
    stands.administer("ANALYZE")
    stands.warm(READ)
    hits = Field(stands, Path()).hits(OURS, READ)
    environment = {**hits.program.environment, **AS_IN_PRODUCTION}
    return replace(hits, program=replace(hits.program, environment=environment))


def one_round(number: int, people: int, job: Job, load: Load) -> dict[str, Crowd]:
    """Have nobody come, and then a crowd that registers, and the same that logs in."""
    accounts = [{"email": f"round{number}-{n}@example.com", "password": PASSWORD} for n in range(people)]
    alone = Crowd(seconds=ALONE_S)
    with reading(alone, job, load):
        time.sleep(ALONE_S)
    registers = come(job.port, "/auth/register", [{**account, "full_name": "A"} for account in accounts], job, load)
    return {"nobody": alone, "register": registers, "log in": come(job.port, "/auth/login", accounts, job, load)}


def come(port: int, path: str, bodies: Sequence[dict[str, Any]], job: Job, load: Load) -> Crowd:
    """Send all bodies at once, each from somebody of their own, while readers read."""
    crowd, together = Crowd(), threading.Barrier(len(bodies))

    def ask(body: dict[str, Any]) -> Answer:
        with Api(port, timeout_s=PATIENCE_S) as api:
            together.wait(PATIENCE_S)
            return api.call("POST", f"/api/v1{path}", body=body)

    with reading(crowd, job, load), ThreadPoolExecutor(len(bodies)) as threads:
        started = time.perf_counter()
        crowd.answers = list(threads.map(ask, bodies))
        crowd.seconds = time.perf_counter() - started
    return crowd


@contextmanager
def reading(crowd: Crowd, job: Job, load: Load) -> Iterator[None]:
    """Read, a slice after the other, as long as the block lasts."""
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            crowd.reads.append(load.run(job))

    with ThreadPoolExecutor(1) as thread:
        reader = thread.submit(read)
        try:
            yield
        finally:
            ended.set()
            reader.result()


def table(rounds: Sequence[dict[str, Crowd]]) -> str:
    """Write what all rounds found, a row for each crowd."""
    lines = [
        "| who comes | answers | last after s | slowest ms | reads/s | hits | read p50 ms | p99 ms | slowest read ms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [row(name, [each[name] for each in rounds]) for name in rounds[0]]
    return "\n".join(lines)


def row(name: str, crowds: Sequence[Crowd]) -> str:
    """Write what crowds of one name met; times are the longest of any round."""
    statuses = Counter(answer.status for crowd in crowds for answer in crowd.answers)
    slowest_s = max((answer.seconds for crowd in crowds for answer in crowd.answers), default=0.0)
    reads = [result for crowd in crowds for result in crowd.reads]
    latencies_us = [latency for result in reads for latency in result.latencies_us]
    rate = len(latencies_us) / sum(result.seconds for result in reads)
    hits = sum(result.hits for result in reads) / len(latencies_us)
    cells = [
        name,
        ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items())) or "–",
        f"{max(crowd.seconds for crowd in crowds):.1f}",
        f"{slowest_s * 1000:.0f}",
        f"{rate:.0f}",
        f"{hits:.0%}",
        *(f"{percentile(latencies_us, percent) / 1000:.1f}" for percent in (50, 99, 100)),
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
