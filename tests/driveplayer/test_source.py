"""Which drives are played."""

from itertools import pairwise
from pathlib import Path

import pytest

from driveplayer import source
from driveplayer.drive import Drive

ROWS = "timestamp,speed_mph\n2026-01-05T08:00:00Z,1\n2026-01-05T08:00:01Z,2\n"
TRIPS = (
    "start,end,max_speed_mph,distance_mi,average_speed_mph,driving_time_s,zero_speed_s\n"
    "2026-01-05T08:00:00Z,2026-01-05T08:00:01Z,2,1,1.5,2,0\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_text(ROWS)
        (tmp_path / f"{name}.trips.csv").write_text(TRIPS)
    return tmp_path


def test_trips_files_that_a_wildcard_names_along_with_their_recordings_are_no_drives(folder: Path) -> None:
    drives = source.named(sorted(folder.glob("*.csv")))

    assert [drive.name for drive in drives] == ["one, trip 1 of 1", "two, trip 1 of 1"]


def test_without_a_name_one_recording_of_the_drives_folder_is_played(folder: Path) -> None:
    [drive] = source.unnamed({"DRIVES_DIR": str(folder)})

    assert drive.name in ("one, trip 1 of 1", "two, trip 1 of 1")
    assert not drive.is_synthetic


def test_where_the_drives_folder_is_missing_a_synthetic_drive_is_played(tmp_path: Path) -> None:
    [drive] = source.unnamed({"DRIVES_DIR": str(tmp_path / "missing")})

    assert drive.is_synthetic
    assert drive.name == "Synthetic drive"


def test_the_statistics_of_the_synthetic_drive_are_those_of_its_readings(tmp_path: Path) -> None:
    [drive] = source.unnamed({"DRIVES_DIR": str(tmp_path)})
    assert drive.statistics is not None

    assert drive.statistics.distance_m == pytest.approx(distance_m(drive), abs=1e-6)
    assert drive.statistics.speed_max_mps == max(reading.speed_mps for reading in drive.readings)
    assert drive.statistics.driving_time_s + drive.statistics.zero_speed_s == len(drive.readings)


def distance_m(drive: Drive) -> float:
    return sum(
        (before.speed_mps + after.speed_mps) / 2 * (after.t_ms - before.t_ms) / 1000
        for before, after in pairwise(drive.readings)
    )
