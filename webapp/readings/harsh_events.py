"""Harsh braking and harsh acceleration, counted so that pieces of a drive can be counted apart and joined later.

Readings are in order of `seq`. A reading is judged by its own `accel_long_mps2` where it has one, otherwise by the
change of speed since the reading before (the one before that has a speed or an acceleration), provided that this one
too has a speed and lies at most NEIGHBOUR_MS back: over a longer time a hard stop and a gentle one look the same. A
reading that cannot be judged, such as one at the same instant as the one before or one before which the clock was set
back, is passed over.

An event is a run of judged readings beyond the same threshold, each at most NEIGHBOUR_MS after the one before, and
none before it. It is counted at its first reading, and whether a reading is the first depends on the judged reading
before it and on nothing else. A piece of a drive therefore needs to remember only its two ends, and a run across a
join counts once.

Times are integers in ms; speeds and accelerations are integers in millionths (µm/s, µm/s²), so that nothing is rounded
twice.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

HARSH_BRAKE_UMPS2 = -3_000_000
HARSH_ACCELERATION_UMPS2 = 2_500_000
NEIGHBOUR_MS = 2_000
MS_PER_S = 1_000

BRAKE, CALM, ACCELERATION = -1, 0, 1

# (t, speed or None, acceleration or None)
Signal = Sequence[Any]
# (t, BRAKE | CALM | ACCELERATION)
Judged = Sequence[int]
Piece = dict[str, Any]


def count(signals: Sequence[Signal]) -> Piece | None:
    """Count the events of one piece, given in order of seq; None when it has no signal.

    The result is JSON-safe and holds the piece's ends: its outer signals and its outer judged readings. The first
    judged reading is not counted yet, because it may continue an event of the piece before.
    """
    if not signals:
        return None
    judged = [(signals[0][0], _by_sensor(signals[0][2]))] if signals[0][2] is not None else []
    for before, signal in pairwise(signals):
        verdict = _judge(before, signal)
        if verdict is not None:
            judged.append((signal[0], verdict))
    return _piece([signals[0], signals[-1]], judged, _starts(pairwise(judged)))


def join(left: Piece | None, right: Piece | None) -> Piece | None:
    """Join a piece with the one that follows it into one piece."""
    if left is None or right is None:
        return left or right
    first = right["signals"][0]
    verdict = _judge(left["signals"][1], first)
    # Only now is there a reading before the first. If its sensor judged it already, saying so again adds nothing.
    bridge = [] if verdict is None else [(first[0], verdict)]
    brakes, accelerations = _starts(pairwise([*left["judged"][1:], *bridge, *right["judged"][:1]]))
    return _piece(
        [left["signals"][0], right["signals"][1]],
        [*left["judged"], *bridge, *right["judged"]],
        (left["brakes"] + brakes + right["brakes"], left["accelerations"] + accelerations + right["accelerations"]),
    )


def total(whole: Piece | None) -> tuple[int, int]:
    """Return the harsh brakes and harsh accelerations of a whole drive: nothing was before its first reading."""
    if whole is None or not whole["judged"]:
        return 0, 0
    first = whole["judged"][0]
    brakes, accelerations = _starts([((first[0], CALM), first)])
    return whole["brakes"] + brakes, whole["accelerations"] + accelerations


def _piece(signals: list[Signal], judged: Sequence[Judged], starts: tuple[int, int]) -> Piece:
    ends = [judged[0], judged[-1]] if judged else []
    return {"signals": signals, "judged": ends, "brakes": starts[0], "accelerations": starts[1]}


def _judge(before: Signal, signal: Signal) -> int | None:
    t, speed, acceleration = signal
    if acceleration is not None:
        return _by_sensor(acceleration)
    t_before, speed_before, _ = before
    elapsed = t - t_before
    if speed_before is None or not 0 < elapsed <= NEIGHBOUR_MS:
        return None
    # Compare by multiplying, not dividing: integers decide a value exactly on the threshold the same way everywhere.
    change = (speed - speed_before) * MS_PER_S
    if change <= HARSH_BRAKE_UMPS2 * elapsed:
        return BRAKE
    return ACCELERATION if change >= HARSH_ACCELERATION_UMPS2 * elapsed else CALM


def _by_sensor(acceleration: int) -> int:
    if acceleration <= HARSH_BRAKE_UMPS2:
        return BRAKE
    return ACCELERATION if acceleration >= HARSH_ACCELERATION_UMPS2 else CALM


def _starts(pairs: Iterable[tuple[Judged, Judged]]) -> tuple[int, int]:
    """Count the pairs whose second reading begins an event, as (brakes, accelerations)."""
    brakes = accelerations = 0
    for (t_before, verdict_before), (t, verdict) in pairs:
        if verdict != CALM and (verdict != verdict_before or not 0 <= t - t_before <= NEIGHBOUR_MS):
            if verdict == BRAKE:
                brakes += 1
            else:
                accelerations += 1
    return brakes, accelerations
