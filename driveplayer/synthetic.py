"""A made-up drive, for where no recording is at hand. Its statistics follow from how it is made."""

from datetime import datetime

from driveplayer.drive import Drive, Reading, Statistics, milliseconds

PHASES = (
    (0.0, 5),
    (12.0, 8),
    (12.0, 40),
    (0.0, 7),
    (0.0, 20),
    (16.0, 12),
    (18.0, 30),
    (8.0, 6),
    (8.0, 15),
    (14.0, 5),
    (14.0, 45),
    (0.0, 10),
    (0.0, 3),
)
"""Legs of even acceleration: the speed in m/s that each ends with, and its whole seconds. It begins standing."""


def drive(now: datetime) -> Drive:
    """Return a drive through a town, a reading a second, that ends now."""
    speeds = _speeds()
    ended_ms = milliseconds(now)
    started_ms = ended_ms - (len(speeds) - 1) * 1000
    return Drive(
        name="Synthetic drive",
        vehicle="synthetic",
        readings=[Reading(seq, started_ms + seq * 1000, speed) for seq, speed in enumerate(speeds)],
        started_ms=started_ms,
        ended_ms=ended_ms,
        statistics=_statistics(speeds),
        is_synthetic=True,
    )


def _speeds() -> list[float]:
    speeds = [0.0]
    for target, seconds in PHASES:
        before = speeds[-1]
        speeds += [before + (target - before) * second / seconds for second in range(1, seconds + 1)]
    return speeds


def _statistics(speeds: list[float]) -> Statistics:
    starts = [0.0, *(target for target, _ in PHASES)]
    return Statistics(
        source="by design",
        # With even acceleration a leg's mean speed is that of its two ends: the distance is exact.
        distance_m=sum((start + end) / 2 * s for start, (end, s) in zip(starts, PHASES, strict=False)),
        speed_max_mps=max(starts),
        speed_avg_mps=sum(speeds) / len(speeds),
        driving_time_s=float(sum(speed > 0 for speed in speeds)),
        zero_speed_s=float(sum(speed == 0 for speed in speeds)),
    )
