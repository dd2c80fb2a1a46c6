"""Real drives for tests and benchmarks: recorded speeds, and NREL's statistics of each trip as an independent oracle.

The files are no part of this checkout; their README says where they come from. DRIVES_DIR names another folder.
"""

import csv
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from webapp.readings.chunks import Reading

MPS_PER_MPH = 0.44704
METERS_PER_MILE = 1609.344


@dataclass(frozen=True)
class Trip:
    """One trip: its readings, `seq` counted from 0, and what NREL computed from the same recording."""

    name: str
    readings: list[Reading]
    distance_m: float
    speed_max_mps: float
    speed_avg_mps: float
    driving_time_s: float
    zero_speed_s: float


def at_speeds(*rows: tuple[float, float | None], **constant: float) -> list[Reading]:
    """Return made-up readings from (t in seconds, speed_mps) pairs; `constant` fields are in each of them."""
    return [{"seq": seq, "t": round(t * 1000), "speed_mps": v, **constant} for seq, (t, v) in enumerate(rows)]


def folder() -> Path:
    """Return the folder that holds the drives when they are there."""
    beside_the_checkout = Path(__file__).resolve().parents[2] / "shared" / "data" / "drives"
    return Path(os.environ.get("DRIVES_DIR") or beside_the_checkout)


def paths() -> list[Path]:
    """Return the recordings, one file a vehicle; none where the drives are missing."""
    return sorted(path for path in folder().glob("*.csv") if not path.name.endswith(".trips.csv"))


def load(path: Path) -> list[Reading]:
    """Return all readings of one recording: seq, t in ms and speed_mps."""
    with path.open(newline="") as file:
        return [
            {"seq": seq, "t": _milliseconds(row["timestamp"]), "speed_mps": float(row["speed_mph"]) * MPS_PER_MPH}
            for seq, row in enumerate(csv.DictReader(file))
        ]


def trips(path: Path) -> list[Trip]:
    """Return the trips of one recording, each with its readings and its oracle."""
    recording = load(path)
    with path.with_name(f"{path.stem}.trips.csv").open(newline="") as file:
        return [_trip(path.stem, row, recording) for row in csv.DictReader(file)]


def _trip(vehicle: str, row: dict[str, str], recording: list[Reading]) -> Trip:
    start, end = _milliseconds(row["start"]), _milliseconds(row["end"])
    within = (reading for reading in recording if start <= reading["t"] <= end)
    return Trip(
        name=f"{vehicle} {row['start']}",
        readings=[{**reading, "seq": seq} for seq, reading in enumerate(within)],
        distance_m=float(row["distance_mi"]) * METERS_PER_MILE,
        speed_max_mps=float(row["max_speed_mph"]) * MPS_PER_MPH,
        speed_avg_mps=float(row["average_speed_mph"]) * MPS_PER_MPH,
        driving_time_s=float(row["driving_time_s"]),
        zero_speed_s=float(row["zero_speed_s"]),
    )


def _milliseconds(timestamp: str) -> int:
    return int(datetime.fromisoformat(timestamp).timestamp() * 1000)
