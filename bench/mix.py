"""Measure what two cores carry of a realistic mix: web, worker, beat, Valkey, PostgreSQL and the load together.

    python -m bench.mix [--rates 100 200 400 600 800 1000] [--seconds 20] [--drivers 2000] [--connections 64]

The processes are the Procfile's, with their default settings; nothing is pinned. Calls come at random moments at each
rate in turn, over keep-alive connections; a latency counts from the moment the call was due. Ten thousand drivers need
about 60 to 120 requests a second.
"""

import argparse
import os
import time

from argon2 import PasswordHasher

from bench.cpu import cpu_us, memory_mib
from bench.drivers import PASSWORD, Driver
from bench.procfile import Processes
from bench.rows import SESSIONS_PER_USER, insert_sessions, session_id
from bench.slices import percentile
from bench.stores import Stores, stores
from bench.traffic import Report, Traffic
from bench.visibility import Visible, Watch
from webapp.cache import keys
from webapp.database import db

SEED = 5


def main() -> None:
    """Run the benchmark and print its tables."""
    options = arguments()
    print(f"Load average before: {os.getloadavg()[0]:.1f}\n")
    with stores() as stands, running(stands) as processes:
        drivers = prepared(stands, options.drivers)
        watcher = drivers.pop()
        traffic = Traffic(processes.port, drivers, options.connections, SEED)
        traffic.start_drives()
        print(HEADER, flush=True)
        reports: dict[float, Report] = {}
        for rate in options.rates:
            watch = watching(processes, stands, watcher)
            before = used(processes, stands)
            reports[rate] = traffic.run(rate, options.seconds)
            print(line(rate, reports[rate], before, used(processes, stands), watch.stop()), flush=True)
        traffic.close()
        memory = ", ".join(f"{mib:.0f}" for mib in memory_mib(processes.pids()["web"]))
        print(f"\nUnshared memory of each web worker: {memory} MiB")
        print(by_call(options.rates[len(options.rates) // 2], reports))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.mix")
    parser.add_argument("--rates", type=float, nargs="+", default=[100, 200, 400, 600, 800, 1000])
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each rate lasts (20)")
    parser.add_argument("--drivers", type=int, default=2000, help="how many drivers are on the road (2000)")
    parser.add_argument("--connections", type=int, default=64, help="keep-alive connections (64)")
    return parser.parse_args()


def running(stands: Stores) -> Processes:
    """Return the processes, told where their stores are, and WEB_CONCURRENCY and WEB_THREADS if they are given."""
    # The load comes from one address. What the limit of an address costs is measured; the limit itself is not.
    told = {**stands.environment, "RATELIMIT_LOGIN_PER_ADDRESS": "1000000/minute", "SESSION_CACHE_TTL": "300"}
    told |= {name: os.environ[name] for name in ("WEB_CONCURRENCY", "WEB_THREADS") if name in os.environ}
    return Processes(told, stands.folder, lambda: stands.cache.client.exists(keys.WORKER_HEARTBEAT))


def prepared(stands: Stores, count: int) -> list[Driver]:
    """Insert drivers with an account, a login and twenty finished drives each; one more is for the visibility."""
    with stands.app.app_context():
        password_hash = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1).hash(PASSWORD)
        insert_sessions(db.engine, (count + 1) * SESSIONS_PER_USER, password_hash=password_hash)
    stands.administer("VACUUM ANALYZE")
    return [Driver(number, stands.tokens_of(number)) for number in range(count + 1)]


def watching(processes: Processes, stands: Stores, driver: Driver) -> Watch:
    """Begin to change and look at two drives of this driver."""
    first = driver.number * SESSIONS_PER_USER
    token = driver.tokens["access_token"]
    watch = Watch(processes.port, token, session_id(first), session_id(first + 1), stands.valkey.url)
    watch.start()
    return watch


def used(processes: Processes, stands: Stores) -> dict[str, float]:
    """Return the CPU time that each part has used so far, in µs."""
    pids = processes.pids() | {"PostgreSQL": stands.postgres.pid, "Valkey": stands.valkey.pid}
    return {name: cpu_us(pid) for name, pid in pids.items()} | {"load": time.process_time() * 1e6}


HEADER = (
    "| calls/s wanted | answered | p50 ms | p99 ms | hits: session, list | wrong or lost | reconnects | CPU of 2 cores "
    "| % of a core: web, worker, beat, PostgreSQL, Valkey, load | write and read back, ms p50, p99 | stale "
    "| warmed after ms p50, p99 | not warmed |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def line(rate: float, report: Report, before: dict[str, float], after: dict[str, float], visible: Visible) -> str:
    """Write what came of one rate as a line of the table."""
    latencies = report.all_latencies_us()
    shares = {name: (after[name] - before[name]) / report.seconds / 1e4 for name in after}
    lost = len(report.wrong) + report.unanswered
    return " | ".join(
        [
            f"| {rate:g}",
            f"{len(latencies) / report.seconds:.0f}",
            f"{percentile(latencies, 50) / 1000:.1f}",
            f"{percentile(latencies, 99) / 1000:.0f}",
            f"{report.hit_ratio('GET session'):.0%}, {report.hit_ratio('GET sessions'):.0%}",
            f"{lost}" + (f" ({report.wrong[0][:200]})" if report.wrong else ""),
            f"{report.reconnects}",
            f"{sum(shares.values()) / 2:.0f} %",
            ", ".join(f"{share:.0f}" for share in shares.values()),
            _both(visible.write_and_read_s),
            f"{visible.stale}",
            _both(visible.warmed_s),
            f"{visible.not_warmed} |",
        ]
    )


def by_call(rate: float, reports: dict[float, Report]) -> str:
    """Write the latencies of each call at one rate as a table."""
    lines = [f"\n| at {rate:g} calls/s | calls | p50 ms | p99 ms | hits |", "|---|---|---|---|---|"]
    for name, latencies in sorted(reports[rate].latencies_us.items(), key=lambda item: -len(item[1])):
        p50, p99 = percentile(latencies, 50) / 1000, percentile(latencies, 99) / 1000
        hits = f"{reports[rate].hit_ratio(name):.0%}" if reports[rate].hits[name] else ""
        lines.append(f"| {name} | {len(latencies)} | {p50:.1f} | {p99:.1f} | {hits} |")
    return "\n".join(lines)


def _both(seconds: list[float]) -> str:
    if not seconds:
        return "–"
    return f"{percentile(seconds, 50) * 1000:.0f}, {percentile(seconds, 99) * 1000:.0f}"


if __name__ == "__main__":
    main()
