"""What a drive amounts to: distance, times, speeds, harsh events and fatigue, from its readings alone.

Readings are ordered by `seq`. How they are summed up, piece by piece, is told in `partials`; this module makes the
contract's summary of the partial of a whole drive.

**Distance** is the trapezoid rule over the time between readings that have a speed; readings without one are spanned.
It is within 0.001 % of NREL's own figure on all 110 CMAP trips that the tests use.

**A clock that is set back** stops time and distance until it has caught up: between two readings whose times contradict
their order nobody knows how long it took. `duration_s` is from the first reading to the latest time.

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

from typing import Any, Literal

from webapp.readings import harsh_events
from webapp.readings.partials import MICRO, Partial, Travel, area_of

MS_PER_S = 1_000
DECIMALS = 3

Status = Literal["live", "final"]
Summary = dict[str, Any]

NO_READINGS: Partial = {
    "first": [0, 0],
    "last": [0, 0],
    "travel": None,
    "harsh": None,
    "speed": None,
    "fatigue": None,
    "perclos": None,
}


def summarize(whole: Partial | None, status: Status, alerts_warning: int = 0, alerts_critical: int = 0) -> Summary:
    """Return the contract's summary of a drive from the partial of all its readings, None before there is one.

    `duration_s` is 0.0 before there are two. Counts are never null; other values are null until a reading has what they
    are made of: null is "not measured", 0.0 is "measured, and none". Floats have three decimals.
    """
    whole = whole or NO_READINGS
    speed_avg, speed_max = _mean_and_maximum(whole["speed"])
    fatigue_avg, fatigue_max = _mean_and_maximum(whole["fatigue"])
    harsh_brakes, harsh_accelerations = harsh_events.total(whole["harsh"])
    return {
        "status": status,
        "duration_s": (whole["last"][0] - whole["first"][0]) / MS_PER_S,
        **_travelled(whole["travel"]),
        "speed_avg_mps": speed_avg,
        "speed_max_mps": speed_max,
        "harsh_brakes": harsh_brakes,
        "harsh_accelerations": harsh_accelerations,
        "fatigue_avg": fatigue_avg,
        "fatigue_max": fatigue_max,
        "perclos_max": _mean_and_maximum(whole["perclos"])[1],
        "alerts_warning": alerts_warning,
        "alerts_critical": alerts_critical,
    }


def _travelled(travel: Travel | None) -> dict[str, float | None]:
    if travel is None:
        return {"moving_s": None, "idle_s": None, "distance_m": None}
    _, moving, idle = travel["sums"]
    # The area is twice the distance in µm/s · ms, that is in nanometres.
    distance_m = round(area_of(travel) / 2_000_000_000, DECIMALS)
    return {"moving_s": moving / MS_PER_S, "idle_s": idle / MS_PER_S, "distance_m": distance_m}


def _mean_and_maximum(spread: list[int] | None) -> tuple[float | None, float | None]:
    if spread is None:
        return None, None
    count, total, maximum = spread
    return round(total / count / MICRO, DECIMALS), round(maximum / MICRO, DECIMALS)
