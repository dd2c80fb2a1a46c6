"""What a piece of a drive amounts to, so that pieces can be summed up apart and joined later.

A piece is a run of readings in order of `seq`. A reading is **on the record** when no lower `seq` has a later time: one
that lies back in time (a device's clock was set back) is kept, but no time passes and no way is gone with it. Times and
distance are summed over neighbours on the record.

What a piece adds to those sums therefore depends on the latest time before it. Seen from a time that is not later than
its first reading's, all of it counts; from a time beyond its latest, none; from one between, only a look at its
readings tells (`travel_seen_from`). Everything else joins without a look.

All sums are of integers (ms, and millionths of the contract's units), so any split of the same readings gives the same
sums to the last digit. A partial is JSON-safe: the one sum that may exceed 64 bits, in an adversary's drive, then is a
string (`area_of`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any

from webapp.readings import harsh_events
from webapp.readings.chunks import Reading

MAX_GAP_MS = 300_000
MICRO = 1_000_000
MAX_JSON_INTEGER = 2**63 - 1
"""orjson writes no longer integer."""

Partial = dict[str, Any]
Travel = dict[str, Any]


def partial(readings: Iterable[Reading]) -> Partial:
    """Sum up one or more readings, given in any order.

    `first` is the [t, seq] of the lowest seq and `last` that of the latest time; the rest is a matter between this
    module and `summary`.
    """
    rows = sorted(readings, key=itemgetter("seq"))
    signals = _signals(rows)
    return {
        "first": [rows[0]["t"], rows[0]["seq"]],
        "last": list(max((row["t"], row["seq"]) for row in rows)),
        "travel": _travel(list(_on_record(signals, rows[0]["t"]))),
        "harsh": harsh_events.count([signal for signal in signals if signal[1] is not None or signal[2] is not None]),
        "speed": _spread(speed for _, speed, _ in signals),
        "fatigue": _spread(_micro(row.get("fatigue_score")) for row in rows),
        "perclos": _spread(_micro(row.get("perclos")) for row in rows),
    }


def appended(left: Partial, readings: Sequence[Reading]) -> Partial:
    """Join readings, all of higher seqs and in any order, to the partial of those before them."""
    right, latest = partial(readings), left["last"][0]
    return joined(left, right, travel_seen_from(right, latest, lambda: travel_after(readings, latest)))


def joined(left: Partial, right: Partial, travel: Travel | None) -> Partial:
    """Join two neighbouring pieces; `travel` is that of the right one, seen from the latest time of the left one."""
    return {
        "first": left["first"],
        "last": max(left["last"], right["last"]),
        "travel": joined_travel(left["travel"], travel),
        "harsh": harsh_events.join(left["harsh"], right["harsh"]),
        **{name: _joined_spread(left[name], right[name]) for name in ("speed", "fatigue", "perclos")},
    }


def is_cut_by(piece: Partial, latest: int) -> bool:
    """Say whether some of a piece lies back behind a time before it, and some perhaps not."""
    return bool(piece["first"][0] < latest <= piece["last"][0])


def travel_seen_from(piece: Partial, latest: int, look_inside: Callable[[], Travel | None]) -> Travel | None:
    """Return the travel of a piece before which the latest time was `latest`; look inside only where it must be."""
    if is_cut_by(piece, latest):
        return look_inside()
    travel: Travel | None = piece["travel"] if latest <= piece["first"][0] else None
    return travel


def travel_after(readings: Iterable[Reading], latest: int) -> Travel | None:
    """Sum up the travel of readings, given in any order, before which the latest time was `latest`."""
    return _travel(list(_on_record(_signals(sorted(readings, key=itemgetter("seq"))), latest)))


def joined_travel(left: Travel | None, right: Travel | None) -> Travel | None:
    """Join the travel of two neighbouring pieces: their own intervals, and the one between them."""
    if left is None or right is None:
        return left or right
    area, moving, idle = _intervals([(left["ends"][1], right["ends"][0])])
    area += area_of(left) + area_of(right)
    moving, idle = moving + left["sums"][1] + right["sums"][1], idle + left["sums"][2] + right["sums"][2]
    sums = [area if area <= MAX_JSON_INTEGER else str(area), moving, idle]
    return {"ends": [left["ends"][0], right["ends"][1]], "sums": sums}


def area_of(travel: Travel) -> int:
    """Return twice the area under the speed, in µm/s · ms."""
    return int(travel["sums"][0])


def _signals(rows: Sequence[Reading]) -> list[harsh_events.Signal]:
    return [(row["t"], _micro(row.get("speed_mps")), _micro(row.get("accel_long_mps2"))) for row in rows]


def _on_record(signals: Iterable[harsh_events.Signal], latest: int) -> Iterator[tuple[int, int]]:
    """Yield (t, speed) of the readings on the record that have a speed."""
    for t, speed, _ in signals:
        if t >= latest:
            latest = t
            if speed is not None:
                yield t, speed


def _travel(speeds: Sequence[tuple[int, int]]) -> Travel | None:
    if not speeds:
        return None
    return {"ends": [speeds[0], speeds[-1]], "sums": _intervals(pairwise(speeds))}


def _intervals(pairs: Iterable[Sequence[Sequence[int]]]) -> tuple[int, int, int]:
    """Add up intervals between two (t, speed): twice the area under the speed, moving ms and idle ms."""
    area = moving = idle = 0
    for (start, speed_at_start), (end, speed_at_end) in pairs:
        elapsed = end - start
        if elapsed > MAX_GAP_MS:
            continue
        area += (speed_at_start + speed_at_end) * elapsed
        if speed_at_start > 0:
            moving += elapsed
        else:
            idle += elapsed
    return area, moving, idle


def _spread(values: Iterable[int | None]) -> list[int] | None:
    """Return count, sum and maximum of the values that are there."""
    present = [value for value in values if value is not None]
    return [len(present), sum(present), max(present)] if present else None


def _joined_spread(left: list[int] | None, right: list[int] | None) -> list[int] | None:
    if left is None or right is None:
        return left or right
    return [left[0] + right[0], left[1] + right[1], max(left[2], right[2])]


def _micro(value: float | None) -> int | None:
    return None if value is None else round(value * MICRO)
