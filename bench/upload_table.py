"""The table of the benchmark of the upload."""

import statistics
from collections.abc import Mapping, Sequence

from bench.slices import Slice, median, ratios
from bench.upload_contenders import FLOOR, OLD, OURS
from bench.upload_storage import Compaction

HEADER = (
    "| upload of {size} | to the floor | half of the rounds | to c639593 | to ours | CPU µs | stores' CPU µs | p50 ms "
    "| p99 ms | bytes per reading |\n|---" + "|---" * 9 + "|"
)

Slices = Mapping[str, Sequence[Slice]]


def table(size: int, slices: Slices, stored: Mapping[str, float], compaction: Compaction) -> str:
    """Write the medians of all contenders as Markdown, the cheapest first, with their CPU time over that of others."""
    by_cost = sorted(slices, key=lambda name: statistics.median(_times(slices, name, FLOOR)))
    lines = [HEADER.format(size=size), *(_line(slices, name, stored[name]) for name in by_cost)]
    extra = f"{compaction.cpu_us:.0f} | {compaction.stores_cpu_us:.0f} | | | {compaction.stored:.1f} |"
    lines.append(f"| ours, later in the worker: into chunks | | | | | {extra}")
    return "\n".join(lines)


def _line(slices: Slices, name: str, stored: float) -> str:
    times = _times(slices, name, FLOOR)
    lower, middle, upper = statistics.quantiles(times if len(times) > 1 else times * 2, n=4, method="inclusive")
    cells = [name, f"{middle:.2f}", f"{lower:.2f} … {upper:.2f}"]
    cells += [
        f"{statistics.median(_times(slices, name, other)):.2f}" if other in slices else "–" for other in (OLD, OURS)
    ]
    cells += [f"{median(slices[name], field):.0f}" for field in ("cpu_us", "stores_cpu_us")]
    cells += [f"{median(slices[name], field) / 1000:.2f}" for field in ("p50_us", "p99_us")]
    return f"| {' | '.join(cells)} | {stored:.1f} |"


def _times(slices: Slices, name: str, other: str) -> list[float]:
    """Return, round by round, how many times the CPU time of another one a contender takes."""
    return [1 / ratio for ratio in ratios(slices, name, other)]
