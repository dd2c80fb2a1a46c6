"""What a drive amounts to, for the peers that take readings in: kept up to date in order, and made anew otherwise."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

Reading = Mapping[str, Any]

SHOWN = (
    *("id", "user_id", "client_session_id", "status", "end_reason", "name", "tags", "vehicle"),
    *("started_at", "ended_at", "last_reading_at", "readings_count", "last_seq", "version"),
    *("created_at", "updated_at", "notes", "device"),
)

SUM_UP = """
WITH own AS (
    SELECT seq, t, speed_mps FROM readings WHERE session_id = %(session_id)s
), legs AS (
    SELECT seq, t, speed_mps, lag(t) OVER by_seq AS t_before, lag(speed_mps) OVER by_seq AS speed_before
    FROM own WHERE speed_mps IS NOT NULL WINDOW by_seq AS (ORDER BY seq)
), way AS (
    SELECT count(*) AS speed_count, coalesce(sum(speed_mps), 0) AS speed_sum, max(speed_mps) AS speed_max,
        coalesce(sum((speed_before + speed_mps) / 2 * extract(epoch FROM t - t_before)::float8), 0) AS distance_m,
        (array_agg(speed_mps ORDER BY seq DESC))[1] AS last_speed, (array_agg(t ORDER BY seq DESC))[1] AS last_speed_at
    FROM legs
), whole AS (
    SELECT count(*) AS readings_count, max(seq) AS last_seq, max(t) AS last_reading_at,
        (array_agg(t ORDER BY seq))[1] AS first_reading_at
    FROM own
)
UPDATE driving_sessions SET readings_count = whole.readings_count, last_seq = whole.last_seq,
    first_reading_at = whole.first_reading_at, last_reading_at = whole.last_reading_at, distance_m = way.distance_m,
    speed_sum = way.speed_sum, speed_count = way.speed_count, speed_max = way.speed_max, last_speed = way.last_speed,
    last_speed_at = way.last_speed_at, version = version + 1, updated_at = now()
FROM way, whole WHERE id = %(session_id)s
"""
"""Makes a summary anew from all readings: for those that came late."""


def is_in_order(session: Any, fresh: Sequence[Reading]) -> bool:
    """Say whether readings, in order of seq, come after all that the drive has."""
    return session.last_seq is None or bool(fresh[0]["seq"] > session.last_seq)


def grown(session: Any, fresh: Sequence[Reading]) -> dict[str, Any]:
    """Return the columns, but for readings_count and version, after readings in order that come after all others."""
    distance, last_speed, last_speed_at = session.distance_m, session.last_speed, session.last_speed_at
    speeds = []
    for reading in fresh:
        speed, at = reading["speed_mps"], reading["t"]
        if speed is not None:
            if last_speed_at is not None:
                distance += (last_speed + speed) / 2 * (at - last_speed_at).total_seconds()
            last_speed, last_speed_at = speed, at
            speeds.append(speed)
    times = [reading["t"] for reading in fresh]
    return {
        "last_seq": fresh[-1]["seq"],
        "first_reading_at": session.first_reading_at or times[0],
        "last_reading_at": max([*times, session.last_reading_at or times[0]]),
        "distance_m": distance,
        "speed_sum": session.speed_sum + sum(speeds),
        "speed_count": session.speed_count + len(speeds),
        "speed_max": max([*speeds, session.speed_max or 0.0]) if speeds else session.speed_max,
        "last_speed": last_speed,
        "last_speed_at": last_speed_at,
    }


def document(session: Any) -> dict[str, Any]:
    """Return a drive in the form in which it is answered, of an object with its columns."""
    shown = {name: _shown(getattr(session, name)) for name in SHOWN}
    lasted = session.last_reading_at - session.first_reading_at if session.first_reading_at else None
    summary = {
        "duration_s": lasted.total_seconds() if lasted else 0.0,
        "distance_m": round(session.distance_m, 3) if session.speed_count else None,
        "speed_avg_mps": round(session.speed_sum / session.speed_count, 3) if session.speed_count else None,
        "speed_max_mps": session.speed_max,
    }
    return {**shown, "summary": summary}


def _shown(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, int | str | list | dict) else str(value)
