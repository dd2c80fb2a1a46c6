"""What was measured in slices, and the table made of it."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from bench.load import Result


@dataclass(frozen=True)
class Slice:
    """One slice: CPU time per request, of the server and of Valkey and PostgreSQL, in µs; latencies in µs."""

    cpu_us: float
    stores_cpu_us: float
    p50_us: float
    p99_us: float
    rate: float

    @classmethod
    def of(cls, result: Result, *, cpu_us: float, stores_cpu_us: float) -> Self:
        """Make a slice of what the load saw and of what the servers used."""
        p50, p99 = percentile(result.latencies_us, 50), percentile(result.latencies_us, 99)
        return cls(cpu_us, stores_cpu_us, p50, p99, result.answers / result.seconds)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def ratios(slices: Mapping[str, Sequence[Slice]], name: str, yardstick: str) -> list[float]:
    """Return, round by round, how many times the contender's CPU time fits into the yardstick's."""
    pairs = zip(slices[yardstick], slices[name], strict=True)
    return [bare.cpu_us / other.cpu_us for bare, other in pairs]


def table(slices: Mapping[str, Sequence[Slice]], yardstick: str) -> str:
    """Write the medians of all contenders as Markdown, the cheapest first."""
    lines = [
        "| | ratio | lowest … highest | CPU µs | stores' CPU µs | p50 ms | p99 ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in sorted(slices, key=lambda name: -statistics.median(ratios(slices, name, yardstick))):
        found = ratios(slices, name, yardstick)
        medians = [
            statistics.median(getattr(each, field) for each in slices[name])
            for field in ("cpu_us", "stores_cpu_us", "p50_us", "p99_us")
        ]
        cpu, stores, p50, p99 = medians
        lines.append(
            f"| {name} | {statistics.median(found):.2f} | {min(found):.2f} … {max(found):.2f} "
            f"| {cpu:.0f} | {stores:.0f} | {p50 / 1000:.1f} | {p99 / 1000:.1f} |"
        )
    return "\n".join(lines)
