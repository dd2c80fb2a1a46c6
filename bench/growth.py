"""Measure whether the cost of the hot read stays flat from a thousand to a million sessions.

    python -m bench.growth [--sizes 1000 100000 1000000] [--rounds 7]

The same 1,000 sessions' worth of requests (50 drivers, spread evenly over all) are sent at each size, all sessions
being in PostgreSQL and in the cache, in slices that alternate with a bare Flask route's. Servers are on core 0, the
load, Valkey and PostgreSQL on core 1. At 100,000 sessions (or the size given by --reconcile-at) it also measures what
a reconciliation costs when nothing changed lately, and when every session did. A million needs 3 GiB of memory and
takes about ten minutes.
"""

import argparse
import statistics
import time
from contextlib import ExitStack

from bench.contenders import BARE, OURS, Contender, Field
from bench.cpu import cpu_us
from bench.load import Load
from bench.peer_environment import python_of_peers
from bench.rows import SESSIONS_PER_USER, insert_sessions
from bench.servers import LOAD_CORE, SERVERS_CORE, WebServer
from bench.slices import Slice, median, ratios, slice_of
from bench.stores import Stores, stores
from webapp.cache.reconcile import reconcile
from webapp.database import db

DRIVERS = 50
SLICE_S, CONNECTIONS = 1.0, 16


def main() -> None:
    """Run the benchmark and print its tables."""
    options = arguments()
    peers_python = python_of_peers()
    with (
        stores(core=LOAD_CORE, maxmemory="8gb") as stands,
        Load(LOAD_CORE) as load,
        ExitStack() as running,
        stands.app.app_context(),
    ):
        field, known = Field(stands, peers_python), 0
        servers: dict[str, WebServer] = {}
        print("| sessions | CPU µs | bare Flask CPU µs | ratio | p50 ms | p99 ms | Valkey MiB | filled per s |")
        print("|---|---|---|---|---|---|---|---|", flush=True)
        for size in options.sizes:
            filled_per_s = grow(stands, known, size)
            known = size
            contenders = asked(field, size)
            if not servers:
                field.seed_peers()
            for contender in contenders if not servers else ():
                log = stands.folder / f"{len(servers)}.log"
                servers[contender.name] = running.enter_context(
                    WebServer(contender.program, core=SERVERS_CORE, log=log)
                )
            slices = alternate(contenders, servers, stands, load, options.rounds)
            print(row(size, slices, stands, filled_per_s), flush=True)
            if size == options.reconcile_at:
                reconciliations = reconcile_costs(stands)
        print("\n" + reconciliations if options.reconcile_at in options.sizes else "")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=7, help="slices of each server at each size (7)")
    parser.add_argument("--reconcile-at", type=int, default=100_000, help="the size at which it is reconciled (100000)")
    return parser.parse_args()


def grow(stands: Stores, known: int, size: int) -> float:
    """Insert and cache the sessions from `known` to `size`. Return how many were filled per second."""
    insert_sessions(db.engine, size - known, start=known)
    stands.administer("VACUUM ANALYZE")
    started = time.perf_counter()
    stands.warm(range(known, size))
    return (size - known) / (time.perf_counter() - started)


def asked(field: Field, size: int) -> list[Contender]:
    """Return ours and the bare Flask route, asked for drives of drivers that are spread over all of them."""
    step = size // SESSIONS_PER_USER // DRIVERS
    numbers = [
        driver * step * SESSIONS_PER_USER + drive for drive in range(SESSIONS_PER_USER) for driver in range(DRIVERS)
    ]
    return [field.hits(OURS, numbers), field.bare()]


def alternate(
    contenders: list[Contender], servers: dict[str, WebServer], stands: Stores, load: Load, rounds: int
) -> dict[str, list[Slice]]:
    """Measure slices of both in turn; the first of each only warms up."""
    slices: dict[str, list[Slice]] = {contender.name: [] for contender in contenders}
    for _ in range(rounds + 1):
        for contender in contenders:
            job = contender.job(servers[contender.name].port, CONNECTIONS, SLICE_S)
            slices[contender.name].append(slice_of(job, servers[contender.name], stands, load))
    return {name: measured[1:] for name, measured in slices.items()}


def row(size: int, slices: dict[str, list[Slice]], stands: Stores, filled_per_s: float) -> str:
    """Write the medians at one size as a line of the table."""
    ours = slices[OURS]
    memory = stands.cache.client.info("memory")["used_memory"] / 2**20
    return (
        f"| {size:,} | {median(ours, 'cpu_us'):.0f} | {median(slices[BARE], 'cpu_us'):.0f} "
        f"| {statistics.median(ratios(slices, OURS, BARE)):.2f} | {median(ours, 'p50_us') / 1000:.1f} "
        f"| {median(ours, 'p99_us') / 1000:.1f} | {memory:,.0f} | {filled_per_s:,.0f} |"
    )


def reconcile_costs(stands: Stores) -> str:
    """Reconcile when nothing changed lately and when every session did, and write what it took as a table."""
    lines = ["| reconciliation | compared | seconds | CPU s: own | Valkey | PostgreSQL |", "|---|---|---|---|---|---|"]
    lines.append(reconciled("nothing changed lately", stands))
    # Not in the last 30 s: an entry that is there is not looked at twice then.
    stands.administer("UPDATE driving_sessions SET updated_at = now() - interval '1 minute'")
    lines.append(reconciled("every session changed lately, none is behind", stands))
    stands.administer("UPDATE driving_sessions SET updated_at = now() - interval '1 day'")
    return "\n".join(lines)


def reconciled(name: str, stands: Stores) -> str:
    """Reconcile once, and write a line of the table."""
    before = time.process_time(), cpu_us(stands.valkey.pid), cpu_us(stands.postgres.pid), time.perf_counter()
    report = reconcile()
    wall_s, cpu_s = time.perf_counter() - before[3], time.process_time() - before[0]
    valkey, postgres = cpu_us(stands.valkey.pid) - before[1], cpu_us(stands.postgres.pid) - before[2]
    return f"| {name} | {report.compared:,} | {wall_s:.2f} | {cpu_s:.2f} | {valkey / 1e6:.2f} | {postgres / 1e6:.2f} |"


if __name__ == "__main__":
    main()
