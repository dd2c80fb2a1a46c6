"""What a drive knows of its own times."""

import pytest

from driveplayer.drive import Drive, Reading


@pytest.mark.parametrize(
    ("readings", "moving_s", "standing_s"),
    [
        ([(0, 5), (1, 5), (2, 0)], 0, -1),
        ([(0, 5), (1, 5), (2, 5)], -1, 0),
        ([(0, 5), (11, 0), (41, 0), (42, 0)], 10, 28),
        ([(0, 5), (300, 5), (301, 0)], 299, -1),
        ([(0, 5), (301, 5), (302, 0)], -1, -1),
    ],
)
def test_unrecorded_seconds_are_silences_up_to_five_minutes_less_the_last_reading(
    readings: list[tuple[int, float]], moving_s: float, standing_s: float
) -> None:
    played = [Reading(seq, t * 1000, speed) for seq, (t, speed) in enumerate(readings)]
    drive = Drive("Made up", "none", played, played[0].t_ms, played[-1].t_ms)

    assert drive.unrecorded_s == (moving_s, standing_s)
