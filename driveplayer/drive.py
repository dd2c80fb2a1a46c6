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
    def unrecorded_s(self) -> tuple[float, float]:
        """Return the seconds of moving and of standing that are not recorded seconds, as the server counts them.

        It lets a reading's state hold until the next one, unless that is a long silence away, and the last one's not
        at all; counted as recorded, each reading is a second.
        """
        moving_ms = standing_ms = 0
        for reading, elapsed_ms in self._intervals():
            unrecorded_ms = (elapsed_ms if elapsed_ms <= LONG_SILENCE_MS else 0) - RECORDING_INTERVAL_MS
            if reading.speed_mps > 0:
                moving_ms += unrecorded_ms
            else:
                standing_ms += unrecorded_ms
        return moving_ms / 1000, standing_ms / 1000

    def playing_times_s(self) -> list[float]:
        """Return for each reading when it is played, in seconds of the drive from its start.

        A long silence is cut to its limit: nobody watching wants to wait for a night, and a server may well take a
        drive for abandoned.
        """
        at_ms = max(0, self.readings[0].t_ms - self.started_ms)
        times = []
        for _, elapsed_ms in self._intervals():
            times.append(at_ms / 1000)
            at_ms += min(elapsed_ms, LONG_SILENCE_MS)
        return times

    def _intervals(self) -> Iterator[tuple[Reading, int]]:
        """Yield each reading with the milliseconds until the next one: none for the last."""
        for reading, following in pairwise([*self.readings, self.readings[-1]]):
            yield reading, following.t_ms - reading.t_ms


def milliseconds(moment: datetime) -> int:
    """Return a time as milliseconds since 1970."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def rfc3339(t_ms: int) -> str:
    """Write milliseconds since 1970 as the contract wants them: UTC, milliseconds and `Z`."""
    return (EPOCH + timedelta(milliseconds=t_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
