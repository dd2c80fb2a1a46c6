"""When which readings are uploaded: in order, or as a phone with bad reception would."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from driveplayer.drive import Drive, Reading

MAX_READINGS = 1000
"""The most that the server takes at once."""

HELD_BACK, REPEATED = 0.25, 0.15
"""The shares of batches that arrive late, and of those that arrive twice."""

MAX_BATCHES_LATE = 5


@dataclass(frozen=True)
class Delivery:
    """A batch, and when it is due: in seconds of the drive from its start, or once the drive has ended."""

    due_s: float
    readings: Sequence[Reading]
    is_after_the_end: bool = False


def schedule(drive: Drive, batch_s: float) -> list[Delivery]:
    """Cut a drive into batches of `batch_s` seconds, each due with its last reading."""
    batches: list[list[Reading]] = []
    due: list[float] = []
    window = None
    for reading, at_s in zip(drive.readings, drive.playing_times_s(), strict=True):
        if at_s // batch_s != window or len(batches[-1]) == MAX_READINGS:
            window = at_s // batch_s
            batches.append([])
            due.append(at_s)
        batches[-1].append(reading)
        due[-1] = at_s
    return [Delivery(at_s, batch) for at_s, batch in zip(due, batches, strict=True)]


def with_bad_reception(deliveries: Sequence[Delivery], batch_s: float, seed: str) -> list[Delivery]:
    """Hold some batches back and repeat others, the same ones for the same seed. Return them in order of arrival.

    What would arrive later than the last batch arrives after the end. The last batch is surely repeated, and the one
    before it surely held back, both until then.
    """
    chance = random.Random(seed)
    end_s = deliveries[-1].due_s

    def late(delivery: Delivery, by_batches: int) -> Delivery:
        due_s = delivery.due_s + batch_s * by_batches
        return replace(delivery, due_s=due_s, is_after_the_end=due_s > end_s)

    *earlier, last = deliveries
    arriving = [last, late(last, 1)]
    if earlier:
        arriving.append(replace(earlier.pop(), is_after_the_end=True))
    for delivery in earlier:
        luck, later = chance.random(), late(delivery, chance.randint(1, MAX_BATCHES_LATE))
        if luck >= HELD_BACK:
            arriving.append(delivery)
        if luck < HELD_BACK + REPEATED:
            arriving.append(later)
    return sorted(arriving, key=lambda delivery: (delivery.is_after_the_end, delivery.due_s))
