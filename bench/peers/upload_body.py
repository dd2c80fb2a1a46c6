"""The body of an upload, read and validated by hand, and as PostgreSQL's arrays: for the floor."""

from datetime import datetime
from typing import Any

import orjson

Bounds = dict[str, tuple[float, float]]

BOUNDS: Bounds = {
    "lat": (-90, 90),
    "lon": (-180, 180),
    "accuracy_m": (0, 1_000_000),
    "speed_mps": (0, 1_000),
    "heading_deg": (0, 360),
    "accel_long_mps2": (-1_000, 1_000),
    "accel_lat_mps2": (-1_000, 1_000),
    "perclos": (0, 1),
    "fatigue_score": (0, 100),
    "blink_rate_pm": (0, 1_000),
    "hr_bpm": (0, 500),
}
MAX_SEQ, MAX_READINGS = 2**53 - 1, 1000

COLUMNS = {"seq": "bigint", "t": "timestamptz", **dict.fromkeys(BOUNDS, "float8"), "eyes_closed": "boolean"}


class BodyError(ValueError):
    """The body is not what an upload brings."""


def parsed(raw: bytes) -> list[dict[str, Any]]:
    """Return the readings of a body. Raises BodyError."""
    try:
        body = orjson.loads(raw)
        readings: list[dict[str, Any]] = body["readings"]
        if type(readings) is not list or len(body) != 1 or not 1 <= len(readings) <= MAX_READINGS:
            raise BodyError
        for reading in readings:
            _check(reading)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise BodyError from error
    return readings


def _check(reading: dict[str, Any]) -> None:
    for name, value in reading.items():
        if name in BOUNDS:
            low, high = BOUNDS[name]
            if value is not None and (type(value) not in (float, int) or not low <= value <= high):
                raise BodyError
        elif name == "eyes_closed":
            if value not in (True, False, None) or type(value) is int:
                raise BodyError
        elif name not in ("seq", "t"):
            raise BodyError
    if type(reading["seq"]) is not int or not 0 <= reading["seq"] <= MAX_SEQ:
        raise BodyError
    if datetime.fromisoformat(reading["t"]).tzinfo is None:
        raise BodyError


def arrays(readings: list[dict[str, Any]]) -> dict[str, str]:
    """Return the columns of readings, each as the text of an array."""
    columns = {name: [reading.get(name) for reading in readings] for name in COLUMNS}
    return {name: f"{{{orjson.dumps(values)[1:-1].decode()}}}" for name, values in columns.items()}
