"""Made-up drivers and their finished drives, in any number. Their ids follow from their numbers."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, column, insert, inspect, table

from webapp.cache.unnoted import NOT_NOTICED
from webapp.clock import utcnow
from webapp.models import DrivingSession, Login, User
from webapp.models.driving_session import ACTIVE
from webapp.readings.summary import summarize

SESSIONS_PER_USER = 20
BATCH = 5_000
VERSION = 12
LONG_AGO = timedelta(days=1)
"""Longer than any entry lives: the reconciler does not look at rows that changed then."""

BEGUN_BEFORE = timedelta(hours=20)
"""When drives that go on began: readings of the hours since then may be uploaded at once."""

SUMMARY = {
    "status": "final",
    "duration_s": 1843.0,
    "moving_s": 1611.0,
    "idle_s": 232.0,
    "distance_m": 21357.418,
    "speed_avg_mps": 11.588,
    "speed_max_mps": 31.42,
    "harsh_brakes": 2,
    "harsh_accelerations": 1,
    "fatigue_avg": 22.4,
    "fatigue_max": 61.0,
    "perclos_max": 0.21,
    "alerts_warning": 1,
    "alerts_critical": 0,
}


def user_id(number: int) -> str:
    """Return the id of a driver."""
    return f"00000001-0000-7000-8000-{number:012x}"


def email(number: int) -> str:
    """Return the e-mail address of a driver."""
    return f"driver{number}@example.com"


def login_id(number: int) -> str:
    """Return the id of a driver's one login."""
    return f"00000002-0000-7000-8000-{number:012x}"


def session_id(number: int) -> str:
    """Return the id of a drive."""
    return f"00000003-0000-7000-8000-{number:012x}"


def driver_of(number: int) -> int:
    """Return the number of the driver of a drive: each has `SESSIONS_PER_USER` of them."""
    return number // SESSIONS_PER_USER


def insert_sessions(engine: Engine, count: int, *, start: int = 0, password_hash: str = "-") -> None:
    """Insert the drives `start` to `start + count`, with those of their drivers and logins that are not there yet."""
    changed_at = utcnow() - LONG_AGO
    known, needed = driver_of(start - 1) + 1, driver_of(start + count - 1) + 1
    with engine.begin() as connection:
        for first in range(known, needed, BATCH):
            numbers = range(first, min(first + BATCH, needed))
            connection.execute(
                insert(User), [_user(n, changed_at, password_hash) for n in numbers], execution_options=NOT_NOTICED
            )
            connection.execute(insert(Login), [_login(n, changed_at) for n in numbers])
        for first in range(start, start + count, BATCH):
            numbers = range(first, min(first + BATCH, start + count))
            connection.execute(
                insert(DrivingSession), [_session(n, changed_at) for n in numbers], execution_options=NOT_NOTICED
            )


def drive_id(driver: int) -> str:
    """Return the id of the drive that `insert_drives` lets a driver begin."""
    return session_id(driver * SESSIONS_PER_USER)


def insert_drives(engine: Engine, drivers: Sequence[int]) -> None:
    """Insert drivers with a login, and for each a drive that is going on and has no reading yet.

    It may be another schema than ours: what tables and columns it does not have is left out.
    """
    at = utcnow() - LONG_AGO
    with engine.begin() as connection:
        there = inspect(connection)
        made = ((User, _user), (Login, _login), (DrivingSession, _drive))
        for model, values in made:
            name = model.__tablename__
            if there.has_table(name):
                known = {each["name"] for each in there.get_columns(name)}
                columns = [column(c.name, c.type) for c in model.__table__.c if c.name in known]
                rows = [{k: v for k, v in values(n, at).items() if k in known} for n in drivers]
                connection.execute(insert(table(name, *columns)), rows)


def _drive(driver: int, at: datetime) -> dict[str, Any]:
    now = utcnow()
    nothing_yet = {"readings_count": 0, "last_seq": None, "last_reading_at": None, "summary": summarize(None, "live")}
    goes_on = {"status": ACTIVE, "end_reason": None, "ended_at": None, "closed_at": None, "version": 1}
    times = {"started_at": now - BEGUN_BEFORE, "last_contact_at": now}
    return {**_session(driver * SESSIONS_PER_USER, at), **nothing_yet, **goes_on, **times}


def _user(number: int, at: datetime, password_hash: str = "-") -> dict[str, Any]:
    return {
        "id": user_id(number),
        "email": email(number),
        "password_hash": password_hash,
        "full_name": f"Driver {number}",
        "role": "driver",
        "is_active": True,
        "version": 1,
        "sessions_version": SESSIONS_PER_USER,
        "created_at": at,
        "updated_at": at,
    }


def _login(number: int, at: datetime) -> dict[str, Any]:
    return {
        "id": login_id(number),
        "user_id": user_id(number),
        "generation": 1,
        "created_at": at,
        "last_used_at": at,
        "expires_at": at + timedelta(days=14),
    }


def _session(number: int, at: datetime) -> dict[str, Any]:
    started_at = at - timedelta(hours=1, minutes=number % SESSIONS_PER_USER)
    return {
        "id": session_id(number),
        "user_id": user_id(driver_of(number)),
        "client_session_id": None,
        "status": "completed",
        "end_reason": "client",
        "name": "Morning commute",
        "notes": "Heavy rain on the bridge, otherwise an easy drive.",
        "tags": ["commute", "rain"],
        "vehicle": {"make": "Volvo", "model": "V60", "year": 2021, "plate": "B-DR 4711"},
        "device": {"model": "Pixel 8", "os": "Android 15", "app": "2.4.1"},
        "started_at": started_at,
        "ended_at": started_at + timedelta(seconds=SUMMARY["duration_s"]),  # type: ignore[arg-type]
        "last_reading_at": started_at + timedelta(seconds=SUMMARY["duration_s"]),  # type: ignore[arg-type]
        "readings_count": 1843,
        "last_seq": 1842,
        "summary": SUMMARY,
        "version": VERSION,
        "created_at": started_at,
        "updated_at": at,
        "last_contact_at": at,
        "closed_at": at,
    }
