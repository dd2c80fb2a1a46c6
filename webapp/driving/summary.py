"""What a drive amounts to: distance, times, speeds, harsh events and fatigue, from its readings alone.

The work is split so that an upload never looks at the whole drive: `partial` sums up one chunk of readings and is
stored beside it; `summarize` joins the partials of a drive. Readings are ordered by (t, seq). All sums are of integers
(ms, and millionths of the contract's units), so any split of the same readings, arrived in any order, gives the same
summary to the last digit.

**Distance** is the trapezoid rule over the time between readings that have a speed; readings without one are spanned.
It is within 0.001 % of NREL's own figure on all 110 CMAP trips that the tests use.

**Silence** of more than MAX_GAP_MS adds neither distance nor time: nobody knows where a car went while its app was dead
for an hour. NREL cuts its trips there too: silences inside trips last up to 296 s, those between trips 322 s or more.

**Moving and idle**: a reading moves when its speed is above zero, and its state holds until the next reading. NREL
counts recorded seconds instead: with silences left out, `moving_s` is its driving time exactly and `idle_s` its
zero-speed time less the last reading, on all 110 trips. We keep silences up to the limit in, because loggers sleep at
red lights (317 of the 339 silences have zero speed at both ends), and drivers expect the two to add up to the duration.

**Average speed** is the mean of the readings' speeds, standstill included. It is NREL's average on all 110 trips, where
distance over duration is off by up to 60 % and distance over moving time by up to 11 %; a client can divide those two
for itself. Like the average of fatigue it weighs readings, not time.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any, Literal

from webapp.driving import harsh_events
from webapp.driving.chunks import Reading

MAX_GAP_MS = 300_000
MS_PER_S = 1_000
MICRO = 1_000_000
DECIMALS = 3

Status = Literal["live", "final"]
Partial = dict[str, Any]
Summary = dict[str, Any]


class OverlappingPartialsError(Exception):
    """Say that partials cannot be joined, because the time ranges of some overlap (a device's clock was set back).

    `groups` lists their positions in the argument of `summarize`. Make one partial of all readings of each group, put
    it in the place of the group's own, and summarize again: that always succeeds.
    """

    def __init__(self, groups: list[list[int]]) -> None:
        super().__init__(f"partials overlap in time: {groups}")
        self.groups = groups


def partial(readings: Iterable[Reading]) -> Partial:
    """Sum up some readings of a drive, one or more and in any order, as a small JSON-safe dict.

    Its `first` and `last` are [t, seq]; the rest is a matter between this function and `summarize`.
    """
    rows = sorted(readings, key=itemgetter("t", "seq"))
    signals = [(row["t"], _micro(row.get("speed_mps")), _micro(row.get("accel_long_mps2"))) for row in rows]
    speeds = [(t, speed) for t, speed, _ in signals if speed is not None]
    return {
        "first": [rows[0]["t"], rows[0]["seq"]],
        "last": [rows[-1]["t"], rows[-1]["seq"]],
        "travel": _travel(speeds),
        "harsh": harsh_events.count([signal for signal in signals if signal[1] is not None or signal[2] is not None]),
        "speed": _spread(speed for _, speed, _ in signals),
        "fatigue": _spread(_micro(row.get("fatigue_score")) for row in rows),
        "perclos": _spread(_micro(row.get("perclos")) for row in rows),
    }


def summarize(
    partials: Sequence[Partial], status: Status, alerts_warning: int = 0, alerts_critical: int = 0
) -> Summary:
    """Return the contract's summary of a drive from the partials of all its readings, in any order.

    `duration_s` is from the first reading to the last, 0.0 before there are two. Counts are never null; other values
    are null until a reading has what they are made of: null is "not measured", 0.0 is "measured, and none". Floats have
    three decimals. Raise OverlappingPartialsError when the partials cannot be joined.
    """
    pieces = _in_order(partials)
    speed_avg, speed_max = _join_spread(_present(pieces, "speed"))
    harsh_brakes, harsh_accelerations = harsh_events.join(_present(pieces, "harsh"))
    return {
        "status": status,
        "duration_s": (pieces[-1]["last"][0] - pieces[0]["first"][0]) / MS_PER_S if pieces else 0.0,
        **_join_travel(_present(pieces, "travel")),
        "speed_avg_mps": speed_avg,
        "speed_max_mps": speed_max,
        "harsh_brakes": harsh_brakes,
        "harsh_accelerations": harsh_accelerations,
        **_join_fatigue(pieces),
        "alerts_warning": alerts_warning,
        "alerts_critical": alerts_critical,
    }


def _in_order(partials: Sequence[Partial]) -> list[Partial]:
    order = sorted(range(len(partials)), key=lambda position: partials[position]["first"])
    groups: list[list[int]] = []
    reached: list[int] = []
    for position in order:
        if groups and partials[position]["first"] <= reached:
            groups[-1].append(position)
        else:
            groups.append([position])
        reached = max(reached, partials[position]["last"])
    overlapping = [sorted(group) for group in groups if len(group) > 1]
    if overlapping:
        raise OverlappingPartialsError(overlapping)
    return [partials[position] for position in order]


def _present(pieces: Iterable[Partial], name: str) -> list[Any]:
    return [piece[name] for piece in pieces if piece[name] is not None]


def _travel(speeds: list[tuple[int, int]]) -> dict[str, Any] | None:
    if not speeds:
        return None
    return {"ends": [speeds[0], speeds[-1]], "sums": _intervals(pairwise(speeds))}


def _join_travel(travels: list[dict[str, Any]]) -> dict[str, float | None]:
    """Add up the intervals within the pieces and those between neighbouring pieces."""
    if not travels:
        return {"moving_s": None, "idle_s": None, "distance_m": None}
    between = _intervals((left["ends"][1], right["ends"][0]) for left, right in pairwise(travels))
    area, moving, idle = map(sum, zip(between, *(travel["sums"] for travel in travels), strict=True))
    # The area is twice the distance (see below) in µm/s · ms, that is in nanometres.
    distance_m = round(area / 2_000_000_000, DECIMALS)
    return {"moving_s": moving / MS_PER_S, "idle_s": idle / MS_PER_S, "distance_m": distance_m}


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


def _join_fatigue(pieces: list[Partial]) -> dict[str, float | None]:
    fatigue_avg, fatigue_max = _join_spread(_present(pieces, "fatigue"))
    _, perclos_max = _join_spread(_present(pieces, "perclos"))
    return {"fatigue_avg": fatigue_avg, "fatigue_max": fatigue_max, "perclos_max": perclos_max}


def _spread(values: Iterable[int | None]) -> list[int] | None:
    """Return count, sum and maximum of the values that are there."""
    present = [value for value in values if value is not None]
    return [len(present), sum(present), max(present)] if present else None


def _join_spread(spreads: list[list[int]]) -> tuple[float | None, float | None]:
    """Return mean and maximum."""
    if not spreads:
        return None, None
    counts, sums, maxima = zip(*spreads, strict=True)
    return round(sum(sums) / sum(counts) / MICRO, DECIMALS), round(max(maxima) / MICRO, DECIMALS)


def _micro(value: float | None) -> int | None:
    return None if value is None else round(value * MICRO)
