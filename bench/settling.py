"""Measure what it costs to believe Redis again: many processes doubt at once, and many rows changed lately.

    python -m bench.settling [--rows 105000] [--processes 20] [--debts 2000]

Each process is an application of its own, in a process of its own. Redis refuses writes for a moment, so that all of
them doubt; a writer leaves debts meanwhile. Prints how long it takes from when Redis is well again until the last
process believes, and the CPU time of all processes, of Valkey and of PostgreSQL in that time; without debts, and with
them; and, for comparison, what one comparison of all recent rows costs in one process, which each process made before.
"""

import argparse
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import redis

from bench.cpu import cpu_us
from bench.rows import insert_sessions
from bench.stores import Stores, stores
from webapp import create_app
from webapp.cache import keys
from webapp.cache.debts import owe
from webapp.cache.reconcile import reconcile
from webapp.cache.redis import close_redis
from webapp.config import Settings
from webapp.database import db
from webapp.driving.cached_sessions import SESSIONS

POLL_S = 0.002
REFUSAL_S = 1.0
BATCH = 1_000


def watch(settings: Settings, told: Connection) -> None:
    """Be a process: say how often as one is asked when belief came back."""
    app = create_app(settings)
    trust = app.extensions["cache"].trust
    try:
        while told.recv():
            while not trust.believes():
                time.sleep(POLL_S)
            told.send(time.monotonic())
    finally:
        close_redis(app)


@contextmanager
def processes(settings: Settings, number: int) -> Iterator[list[tuple[int, Connection]]]:
    """Start the processes, and end them."""
    context = multiprocessing.get_context("spawn")
    started = []
    for _ in range(number):
        ours, theirs = context.Pipe()
        process = context.Process(target=watch, args=(settings, theirs), daemon=True)
        process.start()
        started.append((process, ours))
    try:
        yield [(process.pid or 0, pipe) for process, pipe in started]
    finally:
        for process, pipe in started:
            pipe.send(False)
            process.join(10)


def wait_for_all(watching: list[tuple[int, Connection]]) -> float:
    """Wait until all believe, and return when the last one did."""
    for _, pipe in watching:
        pipe.send(True)
    return max(pipe.recv() for _, pipe in watching)


def settle(name: str, stands: Stores, watching: list[tuple[int, Connection]], debts: int) -> str:
    """Have all doubt and settle, and write what it took as a line of the table."""
    with redis.Redis.from_url(stands.app.config["SETTINGS"].redis_url) as client:
        client.config_set("min-replicas-to-write", 1)
        if debts:
            with db.engine.begin() as connection:
                owe(connection, {SESSIONS.key(f"owed {number}"): 1 for number in range(debts)})
        time.sleep(REFUSAL_S)
        parts = ([pid for pid, _ in watching], [stands.valkey.pid], [stands.postgres.pid])
        before = [sum(map(cpu_us, pids)) for pids in parts]
        began = time.monotonic()
        client.config_set("min-replicas-to-write", 0)
    took_s = wait_for_all(watching) - began
    used = [f"{(sum(map(cpu_us, pids)) - was) / 1e6:.2f}" for pids, was in zip(parts, before, strict=True)]
    return f"| {name} | {took_s:.2f} | {' | '.join(used)} |"


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(prog="python -m bench.settling", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=105_000, help="sessions that changed lately (105000)")
    parser.add_argument("--processes", type=int, default=20)
    parser.add_argument("--debts", type=int, default=2000)
    given = parser.parse_args()
    with stores(core=0, maxmemory="1gb") as stands, stands.app.app_context():
        for start in range(0, given.rows, BATCH):
            insert_sessions(db.engine, min(BATCH, given.rows - start), start=start)
        stands.warm(range(given.rows))
        stands.administer("UPDATE driving_sessions SET updated_at = now() - interval '1 minute'")
        settings: Settings = stands.app.config["SETTINGS"].model_copy(update={"cache_probe_interval_ms": 100})
        with processes(settings, given.processes) as watching:
            wait_for_all(watching)
            print("| | s | CPU s: processes | Valkey | PostgreSQL |")
            print("|---|---|---|---|---|")
            print(settle("all doubt, no debts", stands, watching, 0), flush=True)
            print(settle(f"all doubt, {given.debts:,} debts", stands, watching, given.debts), flush=True)
        began, cpu = time.monotonic(), time.process_time()
        stands.app.extensions["cache"].client.delete(keys.LAST_COMPARISON)
        compared = reconcile().compared
        print(
            f"| one comparison of {compared:,} rows, as each process made before | {time.monotonic() - began:.2f} "
            f"| {time.process_time() - cpu:.2f} | | |"
        )


if __name__ == "__main__":
    main()
