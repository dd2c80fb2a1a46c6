"""What counts as wrong, after a drive that was as it should be is spoiled in one point."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from driveplayer import synthetic
from driveplayer.measurements import Performance, Read, Upload
from driveplayer.verdict import faults


@pytest.fixture
def good() -> Performance:
    drive = synthetic.drive(datetime.now(UTC))
    assert drive.statistics is not None
    return Performance(
        drive,
        session={
            "status": "completed",
            "readings_count": len(drive.readings),
            "summary": {
                "status": "final",
                "distance_m": drive.statistics.distance_m,
                "speed_max_mps": drive.statistics.speed_max_mps,
            },
        },
        uploads=[Upload(0.01, accepted=len(drive.readings), duplicates=0, rejected=0)],
        reads=[Read(0.01, 200, "miss", is_stale=False)],
        read_back=Read(0.01, 200, "hit", is_stale=False),
    )


def test_nothing_is_wrong_with_a_good_one(good: Performance) -> None:
    assert faults(good) == []


@pytest.mark.parametrize(
    ("member", "factor", "count"),
    [("distance_m", 1.0099, 0), ("distance_m", 1.0101, 1), ("distance_m", 0.98, 1), ("distance_m", None, 1)],
)
def test_a_distance_is_wrong_by_more_than_a_hundredth(
    good: Performance, member: str, factor: float | None, count: int
) -> None:
    good.session["summary"][member] = factor and good.session["summary"][member] * factor
    assert len(faults(good)) == count


@pytest.mark.parametrize(("by", "count"), [(0.009, 0), (-0.009, 0), (0.011, 1), (-0.011, 1)])
def test_a_maximum_speed_is_wrong_by_more_than_a_hundredth_of_a_metre_per_second(
    good: Performance, by: float, count: int
) -> None:
    good.session["summary"]["speed_max_mps"] += by
    assert len(faults(good)) == count


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"status": "abandoned"}, "the session is abandoned, not completed"),
        ({"readings_count": 3}, "the session has 3 readings of the drive's 207"),
    ],
)
def test_a_session_that_is_not_whole_is_wrong(good: Performance, change: dict[str, Any], fault: str) -> None:
    good.session |= change
    assert faults(good) == [fault]


def test_a_summary_that_is_not_final_is_wrong(good: Performance) -> None:
    good.session["summary"]["status"] = "live"
    assert faults(good) == ["the summary is live, not final"]


def test_a_single_stale_read_is_wrong_even_the_last(good: Performance) -> None:
    assert good.read_back is not None
    good.read_back = replace(good.read_back, is_stale=True)
    assert faults(good) == ["1 of 2 reads showed less than what was acknowledged before"]


def test_a_rejected_reading_is_wrong(good: Performance) -> None:
    good.uploads.append(Upload(0.01, accepted=0, duplicates=0, rejected=2))
    assert faults(good) == ["2 readings were rejected"]


def test_an_interrupted_drive_is_not_measured_by_the_whole_one(good: Performance) -> None:
    good.is_interrupted = True
    good.session |= {"readings_count": 3}
    good.session["summary"] |= {"distance_m": 1.0}
    assert faults(good) == []
