"""The body and the answer of an upload: the Readings table of the contract.

A reading is validated into what is kept of it, a dict with its time in ms, and no object is made: an upload has up to a
thousand.
"""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Required

from pydantic import BaseModel, Field, PlainValidator, TypeAdapter, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict  # That of the standard library cannot be validated before 3.12.

from webapp.clock import epoch_ms
from webapp.driving.schemas import Time, rfc3339_text, storable
from webapp.http.bodies import RequestBody
from webapp.readings.chunks import Reading

MAX_SEQ = 2**53 - 1
MAX_READINGS = 1000

_TIME: TypeAdapter[datetime] = TypeAdapter(Time)


def _epoch_ms(value: Any) -> int:
    """Read a time into ms since 1970. What is odd about it the slower way tells, which all other times go."""
    try:
        text = rfc3339_text(value).upper()
        # Python takes an offset of 99 minutes for one, and, as of 3.14, an hour 24.
        is_plain = text[11:13] < "24" and (text[-1] == "Z" or text[-2] < "6")
        moment = datetime.fromisoformat(text) if is_plain else _said_of(value)
    except ValueError:
        moment = _said_of(value)
    return epoch_ms(storable(moment))


def _said_of(value: Any) -> datetime:
    try:
        return _TIME.validate_python(value)
    except ValidationError as error:
        [said] = error.errors(include_url=False)
        raise PydanticCustomError(said["type"], said["msg"].replace("{", "{{").replace("}", "}}")) from None


Instant = Annotated[int, PlainValidator(_epoch_ms), WithJsonSchema({"type": "string", "format": "date-time"})]


class ReadingDocument(TypedDict, total=False):
    """One measurement of a drive."""

    __pydantic_config__ = RequestBody.model_config  # type: ignore[misc]

    seq: Required[Annotated[int, Field(ge=0, le=MAX_SEQ, description="Unique in the session.")]]
    t: Required[Instant]
    lat: Annotated[float | None, Field(ge=-90, le=90)]
    lon: Annotated[float | None, Field(ge=-180, le=180)]
    accuracy_m: Annotated[float | None, Field(ge=0, le=1_000_000)]
    speed_mps: Annotated[float | None, Field(ge=0, le=1_000)]
    heading_deg: Annotated[float | None, Field(ge=0, le=360)]
    accel_long_mps2: Annotated[float | None, Field(ge=-1_000, le=1_000)]
    accel_lat_mps2: Annotated[float | None, Field(ge=-1_000, le=1_000)]
    perclos: Annotated[float | None, Field(ge=0, le=1)]
    fatigue_score: Annotated[float | None, Field(ge=0, le=100)]
    eyes_closed: bool | None
    blink_rate_pm: Annotated[float | None, Field(ge=0, le=1_000)]
    hr_bpm: Annotated[float | None, Field(ge=0, le=500)]


class ReadingBatch(RequestBody):
    """Readings in any order; some may have been sent before.

    They are ordered by `seq`. One whose time lies before that of a lower `seq` is kept, and adds no time and no
    distance. A batch may touch at most 16 blocks of 256 sequence numbers (0 to 255, 256 to 511, ...), a drive at most
    20,000; a reading beyond is rejected as `seq_out_of_range`.
    """

    max_quotes: ClassVar[int] = 2 + 2 * MAX_READINGS * (len(ReadingDocument.__annotations__) + 1)

    readings: Annotated[list[ReadingDocument], Field(min_length=1, max_length=MAX_READINGS)]

    def quotes(self) -> int:
        """Count the quotes of all names, and of the times, which are the only texts."""
        return 2 * (1 + sum(map(len, self.readings)) + len(self.readings))

    def measured(self) -> list[Reading]:
        """Return the readings as they are kept: without the fields that say null."""
        return [
            {name: value for name, value in reading.items() if value is not None}
            if None in reading.values()
            else dict(reading)
            for reading in self.readings
        ]


class RejectedReading(BaseModel):
    """A reading that was not kept, and why."""

    index: int
    seq: int
    code: Literal["too_far_in_the_future", "before_the_start", "seq_out_of_range"]


class ReceiptDocument(BaseModel):
    """What became of a batch. What is accepted is in the database."""

    accepted: int
    duplicates: int
    rejected: list[RejectedReading]
    last_seq: int | None
    session_version: int
    alerts: list[dict[str, Any]]
    server_time: datetime
