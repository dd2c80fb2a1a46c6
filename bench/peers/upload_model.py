"""The body of an upload and its receipt, for the peers that validate with pydantic."""

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Reading(BaseModel):
    """One measurement, within the bounds of the contract."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    seq: int = Field(ge=0, le=2**53 - 1)
    t: AwareDatetime
    lat: float | None = Field(None, ge=-90, le=90)
    lon: float | None = Field(None, ge=-180, le=180)
    accuracy_m: float | None = Field(None, ge=0, le=1_000_000)
    speed_mps: float | None = Field(None, ge=0, le=1_000)
    heading_deg: float | None = Field(None, ge=0, le=360)
    accel_long_mps2: float | None = Field(None, ge=-1_000, le=1_000)
    accel_lat_mps2: float | None = Field(None, ge=-1_000, le=1_000)
    perclos: float | None = Field(None, ge=0, le=1)
    fatigue_score: float | None = Field(None, ge=0, le=100)
    eyes_closed: bool | None = None
    blink_rate_pm: float | None = Field(None, ge=0, le=1_000)
    hr_bpm: float | None = Field(None, ge=0, le=500)


class Batch(BaseModel):
    """Some readings, in any order."""

    model_config = ConfigDict(extra="forbid")

    readings: list[Reading] = Field(min_length=1, max_length=1000)


class Receipt(BaseModel):
    """What became of a batch."""

    accepted: int
    duplicates: int
    last_seq: int | None
    session_version: int
