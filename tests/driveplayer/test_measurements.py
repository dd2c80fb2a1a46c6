"""Figures of a performance."""

import pytest

from driveplayer.measurements import percentile


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([7.0], 50, 7.0),
        ([7.0], 99, 7.0),
        ([3.0, 1.0], 50, 1.0),
        ([3.0, 1.0], 51, 3.0),
        ([float(n) for n in range(100, 0, -1)], 50, 50.0),
        ([float(n) for n in range(100, 0, -1)], 99, 99.0),
        ([float(n) for n in range(1000)], 99, 989.0),
        ([2.0, 1.0], 0, 1.0),
        ([2.0, 1.0], 100, 2.0),
    ],
)
def test_a_percentile_is_the_value_of_the_nearest_rank(values: list[float], percent: float, expected: float) -> None:
    assert percentile(values, percent) == expected
