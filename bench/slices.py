"""What was measured in slices, and the table made of it."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from bench.cpu import cpu_us
from bench.load import Job, Load, Result
from bench.servers import WebServer
from bench.stores import Stores

ATTEMPTS = 10


@dataclass(frozen=True)
class Slice:
    """One slice: CPU time per request, of the server and of Valkey and PostgreSQL, in µs; latencies in µs."""

    cpu_us: float
    stores_cpu_us: float
    p50_us: float
    p99_us: float

    @classmethod
    def of(cls, result: Result, *, cpu_us: float, stores_cpu_us: float) -> Self:
        """Make a slice of what the load saw and of what the servers used."""
        p50, p99 = percentile(result.latencies_us, 50), percentile(result.latencies_us, 99)
        return cls(cpu_us, stores_cpu_us, p50, p99)


def slice_of(job: Job, server: WebServer, stands: Stores, load: Load) -> Slice:
    """Send a server its requests, and return what it took.

    A machine that is so busy that Redis does not answer within 100 ms makes our server doubt it, and read from the
    database for a while. Such a slice says nothing about hits, so it is taken again; SystemExit when none succeeds.
    """
    for _ in range(ATTEMPTS):
        measured, result = one_slice(job, server, stands, load)
        if result.hits >= job.min_hits * result.answers:
            return measured
    raise SystemExit(f"only {result.hits} of {result.answers} answers were hits: the machine is too busy")


def one_slice(job: Job, server: WebServer, stands: Stores, load: Load) -> tuple[Slice, Result]:
    """Send a server its requests once, and return what it took and what the load saw."""
    before = cpu_us(server.pid), stands.cpu_us()
    result = load.run(job)
    after = cpu_us(server.pid), stands.cpu_us()
    used, used_by_stores = ((now - then) / result.answers for now, then in zip(after, before, strict=True))
    return Slice.of(result, cpu_us=used, stores_cpu_us=used_by_stores), result


def median(slices: Sequence[Slice], field: str) -> float:
    """Return the median of one field over slices."""
    return float(statistics.median(getattr(each, field) for each in slices))


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def ratios(slices: Mapping[str, Sequence[Slice]], name: str, yardstick: str) -> list[float]:
    """Return, round by round, how many times the contender's CPU time fits into the yardstick's."""
    pairs = zip(slices[yardstick], slices[name], strict=True)
    return [bare.cpu_us / other.cpu_us for bare, other in pairs]


def table(slices: Mapping[str, Sequence[Slice]], yardstick: str, same_answer: str) -> str:
    """Write the medians of all contenders as Markdown, the cheapest first, with their ratio to two yardsticks."""
    lines = [
        "| | ratio | half of the rounds | to the same answer | CPU µs | stores' CPU µs | p50 ms | p99 ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in sorted(slices, key=lambda name: -statistics.median(ratios(slices, name, yardstick))):
        lower, middle, upper = statistics.quantiles(ratios(slices, name, yardstick), n=4, method="inclusive")
        like_for_like = statistics.median(ratios(slices, name, same_answer))
        cpu, stores = median(slices[name], "cpu_us"), median(slices[name], "stores_cpu_us")
        p50, p99 = median(slices[name], "p50_us"), median(slices[name], "p99_us")
        lines.append(
            f"| {name} | {middle:.2f} | {lower:.2f} … {upper:.2f} | {like_for_like:.2f} "
            f"| {cpu:.0f} | {stores:.0f} | {p50 / 1000:.2f} | {p99 / 1000:.2f} |"
        )
    return "\n".join(lines)
