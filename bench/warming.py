"""Measure how fast one worker process fills the cache, and how fast it renews what is hot.

    python -m bench.warming [--sessions 20000] [--repeats 5]

This process does what a worker process does, pinned to core 0; Valkey and PostgreSQL are on core 1. It waits for them
in turn, so the time on the wall is what all three use together.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.cpu import cpu_us
from bench.rows import insert_sessions, session_id
from bench.stores import TTL_S, Stores, stores
from webapp.cache import fills, warming
from webapp.cache.refresh_ahead import DUE_AT, refresh_ahead
from webapp.database import db
from webapp.driving.cached_sessions import SESSIONS

ONE_BY_ONE = 500


@dataclass(frozen=True)
class Cost:
    """What filling took per session, in µs: on the wall, of this process's CPU, of Valkey's and of PostgreSQL's."""

    wall_us: float
    cpu_us: float
    valkey_us: float
    postgres_us: float


def main() -> None:
    """Run the benchmark and print its table."""
    options = arguments()
    os.sched_setaffinity(0, {0})
    with stores(core=1) as stands, stands.app.app_context():
        insert_sessions(db.engine, options.sessions)
        ids = [session_id(n) for n in range(options.sessions)]
        print("| | sessions/s | per CPU second of the worker | CPU µs: worker | Valkey | PostgreSQL |")
        print("|---|---|---|---|---|---|")
        for name, count, prepare, fill in ways(stands, ids):
            costs = []
            for _ in range(options.repeats):
                prepare()
                costs.append(measured(stands, count, fill))
            print(row(name, costs), flush=True)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.warming")
    parser.add_argument("--sessions", type=int, default=20_000, help="how many sessions (20000)")
    parser.add_argument("--repeats", type=int, default=5, help="how often each way is measured (5)")
    return parser.parse_args()


Way = tuple[str, int, Callable[[], object], Callable[[], int]]


def ways(stands: Stores, ids: list[str]) -> Iterator[Way]:
    """Yield each way of filling: its name, how many it fills, what is prepared, and what is measured."""
    empty = stands.cache.client.flushall

    def in_batches(of: int, among: list[str]) -> int:
        return sum(fills.fill_many(SESSIONS, among[first : first + of]) for first in range(0, len(among), of))

    yield "`fills.fill_many`, one by one", ONE_BY_ONE, empty, lambda: in_batches(1, ids[:ONE_BY_ONE])
    for size in (50, 200, 500, 1000):
        yield f"`fills.fill_many`, {size} at once", len(ids), empty, lambda size=size: in_batches(size, ids)  # type: ignore[misc]

    def make_due() -> None:
        empty()
        for first in range(0, len(ids), warming.BATCH):
            warming.ask([SESSIONS.key(id) for id in ids[first : first + warming.BATCH]])

    yield "`warm_due`, as the task does", len(ids), make_due, warming.warm_due

    def make_hot() -> None:
        empty()
        in_batches(warming.BATCH, ids)
        pipeline = stands.cache.client.pipeline(transaction=False)
        for id in ids:
            pipeline.pexpire(SESSIONS.key(id), int(TTL_S * 1000 * DUE_AT / 2))
        pipeline.execute()

    yield "`refresh_ahead`, all hot and due", len(ids), make_hot, refresh_ahead


def measured(stands: Stores, count: int, fill: Callable[[], int]) -> Cost:
    """Fill, and return the cost per session."""
    before = time.process_time(), cpu_us(stands.valkey.pid), cpu_us(stands.postgres.pid), time.perf_counter()
    filled = fill()
    wall_s, cpu_s = time.perf_counter() - before[3], time.process_time() - before[0]
    valkey, postgres = cpu_us(stands.valkey.pid) - before[1], cpu_us(stands.postgres.pid) - before[2]
    if filled < 0.9 * count:
        raise SystemExit(f"only {filled} of {count} sessions were filled within the task's budget")
    return Cost(wall_s * 1e6 / filled, cpu_s * 1e6 / filled, valkey / filled, postgres / filled)


def row(name: str, costs: list[Cost]) -> str:
    """Write the medians as a line of the table."""
    wall, cpu, valkey, postgres = (
        statistics.median(getattr(cost, field) for cost in costs)
        for field in ("wall_us", "cpu_us", "valkey_us", "postgres_us")
    )
    return f"| {name} | {1e6 / wall:,.0f} | {1e6 / cpu:,.0f} | {cpu:.0f} | {valkey:.0f} | {postgres:.0f} |"


if __name__ == "__main__":
    main()
