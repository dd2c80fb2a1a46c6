"""When which readings are uploaded."""

from collections import Counter
from collections.abc import Iterable

import pytest

from driveplayer.delivery import MAX_READINGS, Delivery, schedule, with_bad_reception
from driveplayer.drive import Drive, Reading


def drive_at(*seconds: float) -> Drive:
    readings = [Reading(seq, round(second * 1000), 1.0) for seq, second in enumerate(seconds)]
    return Drive("Made up", "none", readings, readings[0].t_ms, readings[-1].t_ms)


def seqs(deliveries: Iterable[Delivery]) -> list[int]:
    return [reading.seq for delivery in deliveries for reading in delivery.readings]


def test_a_batch_holds_its_seconds_and_is_due_with_its_last_reading() -> None:
    deliveries = schedule(drive_at(100, 104, 109, 110, 125), batch_s=10)

    assert [[reading.seq for reading in delivery.readings] for delivery in deliveries] == [[0, 1, 2], [3], [4]]
    assert [delivery.due_s for delivery in deliveries] == [9, 10, 25]


def test_no_batch_is_larger_than_the_server_takes() -> None:
    deliveries = schedule(drive_at(*range(2500)), batch_s=3600)

    assert [len(delivery.readings) for delivery in deliveries] == [MAX_READINGS, MAX_READINGS, 500]
    assert seqs(deliveries) == list(range(2500))


def test_a_silence_of_hours_is_not_waited_for() -> None:
    deliveries = schedule(drive_at(0, 1, 30_001, 30_002), batch_s=10)

    assert [delivery.due_s for delivery in deliveries] == [1, 302]


@pytest.mark.parametrize("seed", range(20))
def test_with_bad_reception_everything_arrives_some_twice_and_some_after_the_end(seed: int) -> None:
    in_order = schedule(drive_at(*range(200)), batch_s=10)
    late = with_bad_reception(in_order, 10, str(seed))

    times = Counter(seqs(late))
    assert set(times) == set(range(200))
    assert set(times.values()) == {1, 2}
    after_the_end = [delivery for delivery in late if delivery.is_after_the_end]
    assert late[-len(after_the_end) :] == after_the_end
    on_time = seqs(delivery for delivery in late if not delivery.is_after_the_end)
    assert set(range(180, 190)).isdisjoint(on_time)
    assert [delivery.due_s for delivery in late if not delivery.is_after_the_end][-1] == 199


def test_bad_reception_is_the_same_each_time() -> None:
    in_order = schedule(drive_at(*range(200)), batch_s=10)

    assert with_bad_reception(in_order, 10, "a") == with_bad_reception(in_order, 10, "a")
    assert with_bad_reception(in_order, 10, "a") != with_bad_reception(in_order, 10, "b")


def test_the_only_batch_of_a_drive_arrives_twice() -> None:
    assert seqs(with_bad_reception(schedule(drive_at(0), 10), 10, "a")) == [0, 0]
