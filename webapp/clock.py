"""The server's clock, and how a time is written: RFC 3339 in UTC with milliseconds."""

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # That of macOS goes on in sleep, too.


def boottime() -> float:
    """Return the s since the machine was started, suspended ones included: for measuring how old a belief is."""
    return time.clock_gettime(_BOOT_CLOCK)


def utcnow() -> datetime:
    """Return the present time in UTC, cut to whole milliseconds: what is stored is what is shown."""
    return to_milliseconds(datetime.now(UTC))


def to_milliseconds(moment: datetime) -> datetime:
    """Return `moment` (with an offset) in UTC, cut to whole milliseconds."""
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def epoch_ms(moment: datetime) -> int:
    """Return the ms since 1970 of a time (with an offset)."""
    return round((moment - EPOCH) / timedelta(milliseconds=1))


def at_epoch_ms(milliseconds: int) -> datetime:
    """Return the time of so many ms since 1970, in UTC."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def rfc3339(moment: datetime | None) -> str | None:
    """Write a time (with an offset) as `2026-11-23T08:30:00.000Z`; None stays None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
