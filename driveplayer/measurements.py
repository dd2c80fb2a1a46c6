"""What was measured while a drive was played."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from driveplayer.drive import Drive


@dataclass(frozen=True)
class Upload:
    """One batch and what its receipt said."""

    latency_s: float
    accepted: int
    duplicates: int
    rejected: int


@dataclass(frozen=True)
class Read:
    """One read of the session: `source` is hit, miss, bypass or unknown; `is_stale` means older than acknowledged."""

    latency_s: float
    status: int
    source: str
    is_stale: bool


@dataclass
class Performance:
    """How the playing of one drive went. `session` is what was read back at its end."""

    drive: Drive
    session: dict[str, Any] = field(default_factory=dict)
    uploads: list[Upload] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    read_back: Read | None = None
    retries: int = 0
    took_s: float = 0.0
    is_interrupted: bool = False

    def count(self, source: str) -> int:
        """Count the reads that were answered from there."""
        return sum(read.source == source for read in self.reads)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least `percent` % of the values do not exceed (the nearest rank)."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]
