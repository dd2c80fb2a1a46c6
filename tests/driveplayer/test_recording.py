"""Reading recordings: what is played of them, and what is wrong with one that cannot be."""

from pathlib import Path

import pytest

from driveplayer import recording
from driveplayer.recording import RecordingError

ROWS = [f"2026-01-05T08:00:{second:02d}Z,{second}" for second in range(10)]
TRIPS_HEADER = "start,end,max_speed_mph,distance_mi,average_speed_mph,driving_time_s,zero_speed_s"
FIRST_TRIP = "2026-01-05T08:00:02Z,2026-01-05T08:00:04Z,4,0.5,3,3.0,0.0"
SECOND_TRIP = "2026-01-05T08:00:06Z,2026-01-05T08:00:08Z,8,1,7,3.0,0.0"


def write(folder: Path, *rows: str, header: str = "timestamp,speed_mph", trips: list[str] | None = None) -> Path:
    path = folder / "car.csv"
    path.write_text("\n".join([header, *rows]))
    if trips is not None:
        (folder / "car.trips.csv").write_text("\n".join([TRIPS_HEADER, *trips]))
    return path


def test_a_recording_without_trips_is_one_drive_without_statistics(tmp_path: Path) -> None:
    [drive] = recording.load(write(tmp_path, *ROWS))

    assert (drive.name, drive.statistics, len(drive.readings)) == ("car", None, 10)
    assert [reading.seq for reading in drive.readings] == list(range(10))
    assert drive.readings[1].speed_mps == 0.44704
    assert drive.ended_ms - drive.started_ms == 9000


def test_a_trip_is_the_readings_from_its_start_to_its_end_with_its_statistics(tmp_path: Path) -> None:
    [drive] = recording.load(write(tmp_path, *ROWS, trips=[FIRST_TRIP, SECOND_TRIP]))

    assert drive.name == "car, trip 1 of 2"
    assert [reading.seq for reading in drive.readings] == [0, 1, 2]
    assert [round(reading.speed_mps / 0.44704) for reading in drive.readings] == [2, 3, 4]
    assert drive.statistics is not None
    assert (drive.statistics.source, drive.statistics.distance_m) == ("NREL", 804.672)
    assert drive.statistics.speed_max_mps == 4 * 0.44704


def test_another_trip_or_all_of_them_can_be_chosen(tmp_path: Path) -> None:
    path = write(tmp_path, *ROWS, trips=[FIRST_TRIP, SECOND_TRIP])

    assert [drive.name for drive in recording.load(path, trip=2)] == ["car, trip 2 of 2"]
    assert len(recording.load(path, all_trips=True)) == 2


def test_rows_that_are_not_in_order_are_played_in_order_of_time(tmp_path: Path) -> None:
    [drive] = recording.load(write(tmp_path, *reversed(ROWS)))

    assert [reading.seq for reading in drive.readings] == list(range(10))
    assert [reading.t_ms for reading in drive.readings] == sorted(reading.t_ms for reading in drive.readings)


def test_times_with_another_offset_are_the_same_moments(tmp_path: Path) -> None:
    [drive] = recording.load(write(tmp_path, "2026-01-05T09:00:00.250+01:00,3", "2026-01-05T08:00:00Z,3"))

    assert [reading.t_ms - drive.started_ms for reading in drive.readings] == [0, 250]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("yesterday,3", "line 3: timestamp is not a time: 'yesterday'"),
        ("2026-01-05T08:00:10,3", "line 3: timestamp has no offset from UTC, such as Z: '2026-01-05T08:00:10'"),
        ("2026-01-05T08:00:10Z,fast", "line 3: speed_mph is not a number from 0 up: 'fast'"),
        ("2026-01-05T08:00:10Z,-1", "line 3: speed_mph is not a number from 0 up: '-1'"),
        ("2026-01-05T08:00:10Z,nan", "line 3: speed_mph is not a number from 0 up: 'nan'"),
        ("2026-01-05T08:00:10Z,", "line 3: speed_mph is not a number from 0 up: ''"),
        ("2026-01-05T08:00:10Z", "line 3: speed_mph is not a number from 0 up: ''"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, row: str, problem: str) -> None:
    path = write(tmp_path, ROWS[0], row)

    with pytest.raises(RecordingError) as raised:
        recording.load(path)
    assert str(raised.value) == f"{path}, {problem}"


def test_missing_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"car\.csv: has no column speed_mph$"):
        recording.load(write(tmp_path, *ROWS, header="timestamp,speed_kmh"))

    path = write(tmp_path, *ROWS)
    (tmp_path / "car.trips.csv").write_text("start,end,distance_mi\n")
    with pytest.raises(RecordingError, match=r"car\.trips\.csv: has no column max_speed_mph and no column average"):
        recording.load(path)


def test_a_recording_that_is_empty_absent_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="has no readings"):
        recording.load(write(tmp_path))
    with pytest.raises(RecordingError, match="cannot be read: No such file"):
        recording.load(tmp_path / "absent.csv")
    (tmp_path / "noise.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecordingError, match="is not a CSV file in UTF-8"):
        recording.load(tmp_path / "noise.csv")


@pytest.mark.parametrize(
    ("trips", "trip", "problem"),
    [
        (None, 1, "has no trips file car.trips.csv, so no trip 1 of it"),
        ([FIRST_TRIP], 2, "has 1 trips, and no trip 2"),
        ([], None, "has 0 trips, and no trip 1"),
        ([FIRST_TRIP.replace("2026", "2025")], 1, "line 2: the recording has no readings from start to end"),
        ([FIRST_TRIP.replace("0.5", "far")], 1, "line 2: distance_mi is not a number from 0 up: 'far'"),
    ],
)
def test_a_trip_that_cannot_be_played_is_refused(
    tmp_path: Path, trips: list[str] | None, trip: int | None, problem: str
) -> None:
    with pytest.raises(RecordingError, match=problem):
        recording.load(write(tmp_path, *ROWS, trips=trips), trip=trip)
