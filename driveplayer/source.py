"""Which drives are played: those of the files that are named, else one recording of the drives folder, else a synthetic
one.
"""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from driveplayer import recording, synthetic
from driveplayer.drive import Drive
from driveplayer.recording import TRIPS_SUFFIX

BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared" / "data" / "drives"


def folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of recordings: DRIVES_DIR, or the one beside this checkout."""
    return Path(environ.get("DRIVES_DIR") or BESIDE_THE_CHECKOUT)


def named(paths: Sequence[Path], *, trip: int | None = None, all_trips: bool = False) -> list[Drive]:
    """Return the drives of these recordings. Raises RecordingError.

    A trips file named along with its recording, as `*.csv` does, is no drive of its own.
    """
    beside = {recording.trips_path(path) for path in paths}
    recordings = [path for path in paths if path not in beside]
    return [drive for path in recordings for drive in recording.load(path, trip=trip, all_trips=all_trips)]


def unnamed(environ: Mapping[str, str], *, all_trips: bool = False) -> list[Drive]:
    """Return drives of a random recording of the drives folder, or a synthetic one where there is no recording.

    Raises RecordingError.
    """
    recordings = sorted(path for path in folder(environ).glob("*.csv") if not path.name.endswith(TRIPS_SUFFIX))
    if not recordings:
        return [synthetic.drive(datetime.now(UTC))]
    return recording.load(random.choice(recordings), all_trips=all_trips)
