"""Recordings: a CSV file of `timestamp,speed_mph`, and beside it `<name>.trips.csv`, which cuts it into trips.

The trips file carries what NREL computed of each trip from the same recording: statistics that are not the server's.
"""

import csv
import io
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime
from operator import attrgetter
from pathlib import Path

from driveplayer.drive import Drive, Reading, Statistics, milliseconds

MPS_PER_MPH = 0.44704
METERS_PER_MILE = 1609.344
TRIPS_SUFFIX = ".trips.csv"

RECORDING_COLUMNS = ("timestamp", "speed_mph")
STATISTICS_COLUMNS = ("max_speed_mph", "distance_mi", "average_speed_mph", "driving_time_s", "zero_speed_s")
TRIP_COLUMNS = ("start", "end", *STATISTICS_COLUMNS)


class RecordingError(Exception):
    """A recording cannot be played; the message is one clear line with the file and, where it helps, the line."""


def trips_path(path: Path) -> Path:
    """Return where the trips of a recording are described."""
    return path.with_name(path.name.removesuffix(".csv") + TRIPS_SUFFIX)


def load(path: Path, *, trip: int | None = None, all_trips: bool = False) -> list[Drive]:
    """Return the drives of a recording: its first trip, trip number `trip` (from 1), or all of them.

    A recording without a trips file is one drive. Raises RecordingError.
    """
    readings = _readings(path)
    if not trips_path(path).exists():
        if trip is not None:
            raise RecordingError(f"{path}: has no trips file {trips_path(path).name}, so no trip {trip} of it")
        return [Drive(path.stem, path.stem, _numbered(readings), readings[0].t_ms, readings[-1].t_ms)]
    rows = list(_rows(trips_path(path), TRIP_COLUMNS))
    if not 1 <= (trip or 1) <= len(rows):
        raise RecordingError(f"{path}: has {len(rows)} trips, and no trip {trip or 1}")
    numbers = range(1, len(rows) + 1) if all_trips else [trip or 1]
    return [_trip(path, number, rows, readings) for number in numbers]


def _readings(path: Path) -> list[Reading]:
    readings = [
        Reading(seq, _time(row["timestamp"], place, "timestamp"), _speed_mps(row["speed_mph"], place))
        for seq, (place, row) in enumerate(_rows(path, RECORDING_COLUMNS))
    ]
    if not readings:
        raise RecordingError(f"{path}: has no readings")
    return sorted(readings, key=attrgetter("t_ms"))


def _numbered(readings: Sequence[Reading]) -> list[Reading]:
    return [Reading(seq, reading.t_ms, reading.speed_mps) for seq, reading in enumerate(readings)]


def _trip(path: Path, number: int, rows: Sequence[tuple[str, dict[str, str]]], recording: Sequence[Reading]) -> Drive:
    place, row = rows[number - 1]
    start, end = _time(row["start"], place, "start"), _time(row["end"], place, "end")
    first, last = bisect_left(recording, start, key=_t_ms), bisect_right(recording, end, key=_t_ms)
    if first >= last:
        raise RecordingError(f"{place}: the recording has no readings from start to end of this trip")
    name = f"{path.stem}, trip {number} of {len(rows)}"
    return Drive(name, path.stem, _numbered(recording[first:last]), start, end, _statistics(row, place))


def _statistics(row: dict[str, str], place: str) -> Statistics:
    speed_max, distance, speed_avg, driving_time_s, zero_speed_s = (
        _number(row[column], place, column) for column in STATISTICS_COLUMNS
    )
    return Statistics(
        source="NREL",
        distance_m=distance * METERS_PER_MILE,
        speed_max_mps=speed_max * MPS_PER_MPH,
        speed_avg_mps=speed_avg * MPS_PER_MPH,
        driving_time_s=driving_time_s,
        zero_speed_s=zero_speed_s,
    )


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each row of a CSV file that has at least these columns, with its place for error messages."""
    try:
        # Read whole, so that no file stays open in a generator whose caller stops at a bad row.
        with path.open(newline="", encoding="utf-8-sig") as file:
            text = file.read()
        reader = csv.DictReader(io.StringIO(text, newline=""), restval="", strict=True)
        missing = [column for column in columns if column not in (reader.fieldnames or ())]
        if missing:
            raise RecordingError(f"{path}: has no column {' and no column '.join(missing)}")
        for row in reader:
            yield f"{path}, line {reader.line_num}", row
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise RecordingError(f"{path}: is not a CSV file in UTF-8: {error}") from error


def _time(text: str, place: str, column: str) -> int:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise RecordingError(f"{place}: {column} is not a time: {text!r}") from None
    if moment.tzinfo is None:
        raise RecordingError(f"{place}: {column} has no offset from UTC, such as Z: {text!r}")
    return milliseconds(moment)


def _speed_mps(text: str, place: str) -> float:
    return _number(text, place, "speed_mph") * MPS_PER_MPH


def _number(text: str, place: str, column: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise RecordingError(f"{place}: {column} is not a number from 0 up: {text!r}")
    return number


def _t_ms(reading: Reading) -> int:
    return reading.t_ms
