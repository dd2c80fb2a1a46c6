"""Bodies and answers of the Driving sessions table of the contract."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
)
from pydantic_core import PydanticCustomError

from webapp.clock import to_milliseconds
from webapp.http.bodies import RequestBody
from webapp.http.conditional import VersionedDocument
from webapp.http.paging import Page, PageQuery
from webapp.readings.summary import Status as SummaryStatus

RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
YEARS = range(1970, 9999)
MAX_OBJECT_BYTES = 4096
MAX_NOTES = 4_000


def rfc3339_text(value: Any) -> str:
    """Return a text that has the form of a time. Raises for any other value."""
    if not isinstance(value, str) or not RFC3339.fullmatch(value):
        raise PydanticCustomError(
            "invalid_time", "must be an RFC 3339 time with an offset, as 2026-11-23T08:30:00.000Z"
        )
    return value


def storable(moment: datetime) -> datetime:
    """Return a time in UTC, cut to whole milliseconds. Raises for one of another age."""
    if moment.year not in YEARS:
        raise PydanticCustomError("invalid_time", "must lie between 1970 and 9998")
    return to_milliseconds(moment)


def _small(value: dict[str, Any] | None) -> dict[str, Any] | None:
    if value is not None and len(orjson.dumps(value)) > MAX_OBJECT_BYTES:
        raise PydanticCustomError("too_large", f"must be at most {MAX_OBJECT_BYTES} bytes of JSON")
    return value


SessionStatus = Literal["active", "completed", "abandoned"]
Time = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(rfc3339_text), AfterValidator(storable)]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=50)]
Tags = Annotated[list[Tag], Field(max_length=20)]
Name = Annotated[str, StringConstraints(max_length=200)]
Notes = Annotated[str, StringConstraints(max_length=MAX_NOTES)]
FreeObject = Annotated[dict[str, Any], AfterValidator(_small)]


class SessionStart(RequestBody):
    """How a drive begins. Everything may be left out.

    Name, notes, tags, vehicle and device take at most 14,848 bytes of JSON together, and name, tags and vehicle, which
    stand in lists, at most 4,096.
    """

    client_session_id: UUID | None = Field(
        None, description="Made by the client: repeating it returns the same session."
    )
    name: Name | None = None
    notes: Notes | None = None
    tags: Tags | None = None
    vehicle: FreeObject | None = None
    device: FreeObject | None = None
    started_at: Time | None = None


class SessionChange(RequestBody):
    """What may change of a drive; what is left out stays. The bounds of a start hold for the drive as it is then."""

    name: Name | None = None
    notes: Notes | None = None
    tags: Tags | None = None
    vehicle: FreeObject | None = None


class SessionEnd(RequestBody):
    """How a drive ends."""

    ended_at: Time | None = None


class ListQuery(PageQuery):
    """Filters and paging of a driver's sessions. `from` and `to` bound started_at: from ≤ started_at < to."""

    status: SessionStatus | None = None
    from_: Time | None = Field(None, alias="from")
    to: Time | None = None
    updated_since: Time | None = None

    def is_first_page(self) -> bool:
        """Say whether this is the page that is cached: no filter, no cursor, the default limit."""
        return not self.model_dump(exclude_defaults=True)


class SummaryDocument(BaseModel):
    """What a drive amounts to. A value is null until a reading has what it is made of."""

    status: SummaryStatus
    duration_s: float
    distance_m: float | None
    moving_s: float | None
    idle_s: float | None
    speed_avg_mps: float | None
    speed_max_mps: float | None
    harsh_brakes: int
    harsh_accelerations: int
    fatigue_avg: float | None
    fatigue_max: float | None
    perclos_max: float | None
    alerts_warning: int
    alerts_critical: int


class SmallSummaryDocument(BaseModel):
    """A summary without its details."""

    status: SummaryStatus
    duration_s: float
    distance_m: float | None


class _SessionFields(BaseModel):
    id: str
    user_id: str
    client_session_id: str | None
    status: SessionStatus
    end_reason: Literal["client", "timeout"] | None
    name: str | None
    tags: list[str]
    vehicle: dict[str, Any] | None
    started_at: datetime
    ended_at: datetime | None
    last_reading_at: datetime | None
    readings_count: int
    last_seq: int | None
    version: int
    created_at: datetime
    updated_at: datetime


class SessionDocument(_SessionFields, VersionedDocument):
    """A driving session."""

    # What lists show comes first: it is cut from the documents of sessions.
    summary: SummaryDocument
    notes: str | None
    device: dict[str, Any] | None


class SessionRowDocument(_SessionFields):
    """A driving session as it stands in a list."""

    summary: SmallSummaryDocument


class SessionListDocument(Page[SessionRowDocument]):
    """A page of a driver's sessions, newest first."""
