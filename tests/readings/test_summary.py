"""What a drive amounts to, by hand and against NREL's statistics of recorded drives."""

from itertools import pairwise

import pytest

from testbed import drives
from testbed.drives import at_speeds
from tests.readings.pieces import summary_in_blocks
from webapp.readings.chunks import Reading
from webapp.readings.partials import MAX_GAP_MS, partial
from webapp.readings.summary import Summary, summarize


def summary_of(readings: list[Reading]) -> Summary:
    return summarize(partial(readings), "final")


def test_distance_is_the_trapezoid_over_the_time_between_readings() -> None:
    summary = summary_of(at_speeds((0, 0), (1, 10), (3.5, 20), (4, 20)))

    assert summary["distance_m"] == 5 + 37.5 + 10
    assert summary["duration_s"] == 4.0
    assert summary["speed_avg_mps"] == 12.5
    assert summary["speed_max_mps"] == 20.0


def test_a_reading_holds_its_state_until_the_next_one() -> None:
    summary = summary_of(at_speeds((0, 0), (5, 3), (7, 0), (10, 0), (11, 0.01)))

    assert (summary["idle_s"], summary["moving_s"]) == (9.0, 2.0)


def test_a_silence_of_five_minutes_is_bridged_and_a_longer_one_adds_neither_distance_nor_time() -> None:
    limit = MAX_GAP_MS / 1000
    bridged = summary_of(at_speeds((0, 10), (limit, 30)))
    cut = summary_of(at_speeds((0, 10), (limit + 0.001, 30), (limit + 1.001, 30)))

    assert (bridged["distance_m"], bridged["moving_s"]) == (20 * limit, limit)
    assert (cut["distance_m"], cut["moving_s"], cut["idle_s"]) == (30.0, 1.0, 0.0)
    assert cut["duration_s"] == limit + 1.001


def test_readings_without_speed_are_spanned() -> None:
    assert summary_of(at_speeds((0, 10), (1, None), (2, None), (3, 20)))["distance_m"] == 45.0


def test_readings_at_the_same_instant_count_in_order_of_seq() -> None:
    readings = at_speeds((0, 0), (1, 10), (1, 20), (3, 20))

    assert summary_of(readings)["distance_m"] == 45.0
    assert summary_of(readings[::-1])["distance_m"] == 45.0


def test_a_clock_that_is_set_back_stops_time_and_distance_until_it_has_caught_up() -> None:
    glitch = summary_of(at_speeds((0, 10), (1, 10), (2, 10), (3, 10), (1.5, 40), (5, 10)))

    assert (glitch["moving_s"], glitch["distance_m"], glitch["duration_s"]) == (5.0, 50.0, 5.0)
    # It is kept all the same, and measured.
    assert (glitch["speed_avg_mps"], glitch["speed_max_mps"]) == (15.0, 40.0)


def test_a_drive_whose_clock_jumped_ahead_stands_still_until_its_time_has_come() -> None:
    summary = summary_of(at_speeds((0, 10), (100, 10), (1, 10), (2, 10), (100, 20), (101, 20)))

    assert (summary["moving_s"], summary["distance_m"], summary["duration_s"]) == (101.0, 1020.0, 101.0)


def test_a_reading_without_speed_keeps_the_time_for_those_after_it() -> None:
    assert summary_of(at_speeds((0, 10), (9, None), (5, 10), (10, 10)))["distance_m"] == 100.0
    assert summary_of(at_speeds((0, 10), (9, None), (5, 10)))["distance_m"] == 0.0


def test_a_drive_without_readings_has_no_measurements() -> None:
    summary = summarize(None, "live", alerts_warning=2, alerts_critical=1)

    assert summary == {
        "status": "live",
        "duration_s": 0.0,
        "moving_s": None,
        "idle_s": None,
        "distance_m": None,
        "speed_avg_mps": None,
        "speed_max_mps": None,
        "harsh_brakes": 0,
        "harsh_accelerations": 0,
        "fatigue_avg": None,
        "fatigue_max": None,
        "perclos_max": None,
        "alerts_warning": 2,
        "alerts_critical": 1,
    }


def test_what_was_never_measured_is_null_and_what_was_measured_as_nothing_is_zero() -> None:
    unmeasured = summary_of(at_speeds((0, None), (9, None), hr_bpm=70))
    standing = summary_of(at_speeds((0, 0)))

    assert (unmeasured["duration_s"], unmeasured["distance_m"], unmeasured["idle_s"]) == (9.0, None, None)
    assert (standing["duration_s"], standing["distance_m"], standing["speed_max_mps"]) == (0.0, 0.0, 0.0)


def test_fatigue_is_averaged_over_the_readings_that_have_it() -> None:
    readings: list[Reading] = [
        {"seq": 0, "t": 0, "fatigue_score": 10.0, "perclos": 0.1},
        {"seq": 1, "t": 1000, "fatigue_score": 25, "perclos": None},
        {"seq": 2, "t": 2000, "perclos": 0.3},
    ]
    summary = summary_of(readings)

    assert (summary["fatigue_avg"], summary["fatigue_max"], summary["perclos_max"]) == (17.5, 25.0, 0.3)


# NREL as the oracle


@pytest.fixture(scope="module")
def trips() -> list[drives.Trip]:
    found = [trip for path in drives.paths() for trip in drives.trips(path)]
    if not found:
        pytest.skip(f"no drives in {drives.folder()}")
    return found


def silences(trip: drives.Trip) -> tuple[float, float]:
    """Return the seconds without readings while moving and while standing: what NREL leaves out of its times."""
    moving = standing = 0.0
    for before, after in pairwise(trip.readings):
        silence_s = (after["t"] - before["t"]) / 1000 - 1
        if before["speed_mps"] > 0:
            moving += silence_s
        else:
            standing += silence_s
    return moving, standing


def test_distance_and_speeds_of_every_trip_are_nrels(trips: list[drives.Trip]) -> None:
    for trip in trips:
        summary = summary_in_blocks(trip.readings)
        # The promise is 1 % and 0.01 m/s; what we reach is held here, to notice when it gets worse.
        assert summary["distance_m"] == pytest.approx(trip.distance_m, rel=1e-5), trip.name
        assert summary["speed_max_mps"] == pytest.approx(trip.speed_max_mps, abs=0.001), trip.name
        assert summary["speed_avg_mps"] == pytest.approx(trip.speed_avg_mps, abs=0.001), trip.name


def test_moving_and_idle_time_of_every_trip_are_nrels_once_silence_is_left_out(trips: list[drives.Trip]) -> None:
    for trip in trips:
        summary = summary_in_blocks(trip.readings)
        silent_moving_s, silent_standing_s = silences(trip)
        assert summary["moving_s"] - silent_moving_s == trip.driving_time_s, trip.name
        # The last reading has no next one that it could hold its state until; trips end standing.
        assert summary["idle_s"] - silent_standing_s == trip.zero_speed_s - 1, trip.name
        assert summary["moving_s"] + summary["idle_s"] == summary["duration_s"], trip.name
