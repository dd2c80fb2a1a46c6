"""Measure what two cores carry of a realistic mix: web, worker, beat, Valkey, PostgreSQL and the load together.

    python -m bench.mix [--against c639593] [--rates 150 200 ...] [--seconds 20] [--drivers 2000] [--connections 64]

The processes are the Procfile's, with their default settings; nothing is pinned. Calls come at random moments at each
rate in turn, over keep-alive connections; a latency counts from the moment the call was due. Ten thousand drivers need
about 60 to 120 requests a second.

`--against` names an earlier commit, which is taken out into a folder and an environment of its own. The two are asked
in turn at each rate, each on stores of its own; of either the highest rate is told at which nothing was wrong or lost
and 99 of 100 answers came within 100 ms. Who has failed twice running is asked no more.
"""

import argparse
import os
import time
from contextlib import ExitStack
from dataclasses import dataclass, field

from argon2 import PasswordHasher

from bench.cpu import cpu_us, memory_mib
from bench.drivers import PASSWORD, Driver
from bench.procfile import Processes
from bench.released import Released, released, this_one
from bench.rows import SESSIONS_PER_USER, insert_sessions, session_id
from bench.slices import percentile
from bench.stores import Stores, stores
from bench.traffic import Report, Traffic
from bench.visibility import Visible, Watch
from webapp.cache import keys
from webapp.database import db

SEED = 5
P99_MS = 100.0
FAILURES = 2


@dataclass
class Side:
    """One commit on stores of its own, and what came of each rate that it was asked at."""

    name: str
    stands: Stores
    processes: Processes
    traffic: Traffic
    watcher: Driver
    reports: dict[float, Report] = field(default_factory=dict)
    web_us: dict[float, float] = field(default_factory=dict)

    def ask(self, rate: float, seconds: float) -> str:
        """Ask at one rate, and tell what came of it as a line of the table."""
        watch = watching(self.processes, self.stands, self.watcher)
        before = used(self.processes, self.stands)
        report = self.reports[rate] = self.traffic.run(rate, seconds)
        after = used(self.processes, self.stands)
        self.web_us[rate] = (after["web"] - before["web"]) / max(1, len(report.all_latencies_us()))
        return line(f"{self.name}: {rate:g}", report, before, after, watch.stop())

    def carries(self, rate: float) -> bool:
        """Say whether nothing was wrong or lost at a rate, and the slowest of a hundred answers were not late."""
        report = self.reports[rate]
        in_time = percentile(report.all_latencies_us(), 99) < P99_MS * 1000
        return in_time and not report.wrong and not report.unanswered

    def has_given_up(self) -> bool:
        """Say whether the last rates were too much for it."""
        last = list(self.reports)[-FAILURES:]
        return len(last) == FAILURES and not any(map(self.carries, last))

    def highest(self) -> float:
        """Return the highest rate that it carries."""
        return max((rate for rate in self.reports if self.carries(rate)), default=0.0)


def main() -> None:
    """Run the benchmark and print its tables."""
    options = arguments()
    print(f"Load average before: {os.getloadavg()[0]:.1f}\n")
    commits = {"this": this_one()} | ({options.against: released(options.against)} if options.against else {})
    with ExitStack() as stack:
        sides = [side(stack, name, commit, options) for name, commit in commits.items()]
        print(HEADER, flush=True)
        for rate in options.rates:
            for each in sides:
                if not each.has_given_up():
                    print(each.ask(rate, options.seconds), flush=True)
        memory = ", ".join(f"{mib:.0f}" for mib in memory_mib(sides[0].processes.pids()["web"]))
        print(f"\nUnshared memory of each web worker: {memory} MiB")
        print(by_call(sides))
        print(highest(sides))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.mix")
    parser.add_argument("--rates", type=float, nargs="+", default=list(range(150, 1250, 50)))
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each rate lasts (20)")
    parser.add_argument("--drivers", type=int, default=2000, help="how many drivers are on the road (2000)")
    parser.add_argument("--connections", type=int, default=64, help="keep-alive connections (64)")
    parser.add_argument("--against", help="an earlier commit to be measured beside this one")
    return parser.parse_args()


def side(stack: ExitStack, name: str, commit: Released, options: argparse.Namespace) -> Side:
    """Start everything of one commit, and have its drivers start their drives."""
    stands = stack.enter_context(stores())
    processes = stack.enter_context(running(stands, commit))
    drivers = prepared(stands, options.drivers)
    watcher = drivers.pop()
    traffic = Traffic(processes.port, drivers, options.connections, SEED)
    stack.callback(traffic.close)
    traffic.start_drives()
    return Side(name, stands, processes, traffic, watcher)


def running(stands: Stores, commit: Released) -> Processes:
    """Return the processes, told where their stores are, and WEB_CONCURRENCY and WEB_THREADS if they are given."""
    # The load comes from one address. What the limit of an address costs is measured; the limit itself is not.
    told = {**stands.environment, "RATELIMIT_LOGIN_PER_ADDRESS": "1000000/minute", "SESSION_CACHE_TTL": "300"}
    told |= {name: os.environ[name] for name in ("WEB_CONCURRENCY", "WEB_THREADS") if name in os.environ}
    return Processes(told, stands.folder, lambda: stands.cache.client.exists(keys.WORKER_HEARTBEAT), commit)


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
    "| web µs a call | % of a core: web, worker, beat, PostgreSQL, Valkey, load | write and read back, ms p50, p99 "
    "| stale | warmed after ms p50, p99 | not warmed |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def line(asked: str, report: Report, before: dict[str, float], after: dict[str, float], visible: Visible) -> str:
    """Write what came of one rate as a line of the table."""
    latencies = report.all_latencies_us()
    shares = {name: (after[name] - before[name]) / report.seconds / 1e4 for name in after}
    lost = len(report.wrong) + report.unanswered
    return " | ".join(
        [
            f"| {asked}",
            f"{len(latencies) / report.seconds:.0f}",
            f"{percentile(latencies, 50) / 1000:.1f}",
            f"{percentile(latencies, 99) / 1000:.0f}",
            f"{report.hit_ratio('GET session'):.0%}, {report.hit_ratio('GET sessions'):.0%}",
            f"{lost}" + (f" ({report.wrong[0][:200]})" if report.wrong else ""),
            f"{report.reconnects}",
            f"{sum(shares.values()) / 2:.0f} %",
            f"{(after['web'] - before['web']) / max(1, len(latencies)):.0f}",
            ", ".join(f"{share:.0f}" for share in shares.values()),
            _both(visible.write_and_read_s),
            f"{visible.stale}",
            _both(visible.warmed_s),
            f"{visible.not_warmed} |",
        ]
    )


def by_call(sides: list[Side]) -> str:
    """Write the latencies of each call, at the highest rate that all carry, as a table."""
    rate = min(each.highest() for each in sides)
    lines = [f"\n| at {rate:g} calls/s | calls | p50 ms | p99 ms | hits |", "|---|---|---|---|---|"]
    for each in sides:
        report = each.reports.get(rate, Report())
        for name, latencies in sorted(report.latencies_us.items(), key=lambda item: -len(item[1])):
            p50, p99 = percentile(latencies, 50) / 1000, percentile(latencies, 99) / 1000
            hits = f"{report.hit_ratio(name):.1%}" if report.hits[name] else ""
            lines.append(f"| {each.name}: {name} | {len(latencies)} | {p50:.1f} | {p99:.1f} | {hits} |")
    return "\n".join(lines)


def highest(sides: list[Side]) -> str:
    """Write how much each side carries, and what a call costs at the highest rate that both do."""
    shared = min(each.highest() for each in sides)
    web_us = {each.name: each.web_us.get(shared, 0.0) for each in sides}
    told = [
        f"{each.name}: {each.highest():g} calls/s; web {web_us[each.name]:.0f} µs a call at {shared:g}"
        for each in sides
    ]
    return "\n" + "\n".join(told)


def _both(seconds: list[float]) -> str:
    if not seconds:
        return "–"
    return f"{percentile(seconds, 50) * 1000:.0f}, {percentile(seconds, 99) * 1000:.0f}"


if __name__ == "__main__":
    main()
