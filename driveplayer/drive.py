"""What is played: the readings of one drive, and its statistics from somebody else than the server."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RECORDING_INTERVAL_MS = 1000
"""The recordings have a reading a second; what is longer is silence."""

LONG_SILENCE_MS = 300_000
"""A silence longer than this counts neither here nor in the server's summary."""


@dataclass(frozen=True)
class Reading:
    """One measurement: its number in the drive, when, and how fast."""

    seq: int
    t_ms: int
    speed_mps: float


@dataclass(frozen=True)
class Statistics:
    """What `source` says of a drive, without the server. Times are counts of recorded seconds, as NREL counts them."""

    source: str
    distance_m: float
    speed_max_mps: float
    speed_avg_mps: float
    driving_time_s: float
    zero_speed_s: float


@dataclass(frozen=True)
class Drive:
    """A drive to play, one reading or more in order of time. `statistics` are None where nobody has made any."""

    name: str
    vehicle: str
    readings: Sequence[Reading]
    started_ms: int
    ended_ms: int
    statistics: Statistics | None = None
    is_synthetic: bool = False

    @property
    def silence_s(self) -> tuple[float, float]:
        """Return the seconds without readings while moving and while standing, long silences left out."""
        moving = standing = 0.0
        for before, elapsed_ms in self._intervals():
            if elapsed_ms > LONG_SILENCE_MS:
                continue
            silence_s = max(0, elapsed_ms - RECORDING_INTERVAL_MS) / 1000
            if before.speed_mps > 0:
                moving += silence_s
            else:
                standing += silence_s
        return moving, standing

    def playing_times_s(self) -> list[float]:
        """Return for each reading when it is played, in seconds of the drive from its start.

        A long silence is cut to its limit: nobody watching wants to wait for a night, and a server may well take a
        drive for abandoned.
        """
        at_ms = max(0, self.readings[0].t_ms - self.started_ms)
        times = [at_ms / 1000]
        for _, elapsed_ms in self._intervals():
            at_ms += min(elapsed_ms, LONG_SILENCE_MS)
            times.append(at_ms / 1000)
        return times

    def _intervals(self) -> Iterator[tuple[Reading, int]]:
        for before, after in pairwise(self.readings):
            yield before, after.t_ms - before.t_ms


def milliseconds(moment: datetime) -> int:
    """Return a time as milliseconds since 1970."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def rfc3339(t_ms: int) -> str:
    """Write milliseconds since 1970 as the contract wants them: UTC, milliseconds and `Z`."""
    return (EPOCH + timedelta(milliseconds=t_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
