"""Harsh braking and harsh acceleration, counted so that pieces of a drive can be counted apart and joined later.

A reading is judged by its own `accel_long_mps2` where it has one, otherwise by the change of speed since the reading
before (the one before that has a speed or an acceleration), provided that this one too has a speed and lies at most
NEIGHBOUR_MS back: over a longer time a hard stop and a gentle one look the same. A reading that cannot be judged, such
as one at the same instant as the one before, is passed over.

An event is a run of judged readings beyond the same threshold, each at most NEIGHBOUR_MS after the one before. It is
counted at its first reading, and whether a reading is the first depends on the judged reading before it and on nothing
else. A piece of a drive therefore needs to remember only its two ends, and a run across a join counts once.

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

# (t, speed or None, acceleration or None) of a reading that has at least one of the two.
Signal = Sequence[Any]
# (t, BRAKE | CALM | ACCELERATION)
Judged = Sequence[int]


def count(signals: Sequence[Signal]) -> dict[str, Any] | None:
    """Count the events of one piece, given in order of time; None when it has no signal.

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
    brakes, accelerations = _starts(pairwise(judged))
    return {
        "signals": [signals[0], signals[-1]],
        "judged": [judged[0], judged[-1]] if judged else [],
        "brakes": brakes,
        "accelerations": accelerations,
    }


def join(pieces: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """Return the harsh brakes and harsh accelerations of a whole drive from its pieces in order of time."""
    before: Signal | None = None
    chain: list[Sequence[Judged]] = []
    for piece in pieces:
        first, last = piece["signals"]
        # Only now is there a reading before the first. If its sensor judged it already, saying so again adds nothing.
        if before is not None and (verdict := _judge(before, first)) is not None:
            chain.append([(first[0], verdict)] * 2)
        if piece["judged"]:
            chain.append(piece["judged"])
        before = last
    if not chain:
        return 0, 0
    calm_start = (chain[0][0][0], CALM)
    joins = [(left[1], right[0]) for left, right in pairwise(chain)]
    brakes, accelerations = _starts([(calm_start, chain[0][0]), *joins])
    return (
        brakes + sum(piece["brakes"] for piece in pieces),
        accelerations + sum(piece["accelerations"] for piece in pieces),
    )


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
        if verdict != CALM and (verdict != verdict_before or t - t_before > NEIGHBOUR_MS):
            if verdict == BRAKE:
                brakes += 1
            else:
                accelerations += 1
    return brakes, accelerations
