"""Harsh brakes and accelerations are counted as events, and no way to cut a drive in two changes their number."""

from testbed.drives import at_speeds
from webapp.readings.chunks import Reading
from webapp.readings.partials import joined, partial
from webapp.readings.summary import Summary, summarize


def summary_of(readings: list[Reading]) -> Summary:
    return summarize(partial(readings), "final")


def accelerations(*rows: tuple[float, float]) -> list[Reading]:
    """Return readings from (t in seconds, accel_long_mps2) pairs."""
    return [{"seq": seq, "t": round(t * 1000), "accel_long_mps2": a} for seq, (t, a) in enumerate(rows)]


def harsh(readings: list[Reading]) -> tuple[int, int]:
    """Return harsh brakes and harsh accelerations, and insist that no way to cut the readings in two changes them."""
    whole = summary_of(readings)
    for cut in range(1, len(readings)):
        left, right = partial(readings[:cut]), partial(readings[cut:])
        cut_in_two = summarize(joined(left, right, right["travel"]), "final")
        assert (cut_in_two["harsh_brakes"], cut_in_two["harsh_accelerations"]) == (
            whole["harsh_brakes"],
            whole["harsh_accelerations"],
        )
    return whole["harsh_brakes"], whole["harsh_accelerations"]


def test_a_run_of_hard_braking_is_one_event() -> None:
    assert harsh(accelerations((0, 0), (1, -3.0), (2, -5), (3, -3.2), (4, -2.99))) == (1, 0)


def test_a_reading_exactly_on_the_threshold_is_harsh() -> None:
    assert harsh(accelerations((0, -2.999), (1, -3.0), (2, 2.499), (3, 2.5))) == (1, 1)


def test_a_change_of_speed_exactly_on_the_threshold_is_harsh_whatever_its_decimals() -> None:
    for thousandths in range(3000, 12000, 7):
        readings = at_speeds((0, thousandths / 1000), (1, (thousandths - 3000) / 1000))
        assert summary_of(readings)["harsh_brakes"] == 1, readings


def test_two_runs_with_a_calm_reading_between_are_two_events() -> None:
    assert harsh(accelerations((0, 2.5), (1, 2.49), (2, 2.5))) == (0, 2)


def test_braking_right_after_accelerating_is_one_event_of_each() -> None:
    assert harsh(accelerations((0, 4), (1, -4), (2, 4))) == (1, 2)


def test_a_run_ends_where_nothing_is_heard_for_more_than_two_seconds() -> None:
    assert harsh(accelerations((0, -4), (2, -4), (4.001, -4))) == (2, 0)


def test_without_a_sensor_the_change_of_speed_decides() -> None:
    assert harsh(at_speeds((0, 20), (1, 17), (2, 14), (3, 14.0), (4, 16.5), (5, 18.9))) == (1, 1)


def test_a_change_of_speed_over_more_than_two_seconds_says_nothing() -> None:
    assert harsh(at_speeds((0, 20), (2, 14), (4.001, 0))) == (1, 0)


def test_the_sensor_overrules_the_change_of_speed() -> None:
    assert harsh(at_speeds((0, 20), (1, 0), (2, 20), accel_long_mps2=0.1)) == (0, 0)


def test_speeds_between_readings_of_the_sensor_are_left_to_the_sensor() -> None:
    braking = accelerations((0, -4), (0.4, -4), (0.8, -4), (1.2, -4), (1.6, -4))
    speed_only: list[Reading] = [
        {"seq": 10, "t": 200, "speed_mps": 20.0},
        {"seq": 11, "t": 1000, "speed_mps": 19.0},
    ]

    by_time = sorted(braking + speed_only, key=lambda reading: reading["t"])
    assert harsh([{**reading, "seq": seq} for seq, reading in enumerate(by_time)]) == (1, 0)


def test_two_speeds_at_the_same_instant_are_no_acceleration() -> None:
    assert harsh(at_speeds((0, 20), (0, 0), (1, 0), (1, 30))) == (0, 0)


def test_readings_of_neither_speed_nor_acceleration_do_not_end_a_run() -> None:
    assert harsh(at_speeds((0, 20), (1, 16), (1.5, None), (2, 12), (3, 12))) == (1, 0)


def test_a_change_of_speed_against_the_order_of_time_says_nothing() -> None:
    assert harsh(at_speeds((0, 20), (5, 20), (4, 0), (5, 1))) == (0, 0)


def test_neighbours_after_a_clock_was_set_back_are_judged_as_ever() -> None:
    assert harsh(at_speeds((100, 20), (50, 20), (51, 16), (52, 16))) == (1, 0)


def test_a_run_ends_where_the_clock_was_set_back() -> None:
    assert harsh(accelerations((100, -4), (101, -4), (50, -4), (51, -4))) == (2, 0)
