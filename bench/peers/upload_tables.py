"""The tables of `uploads.sql`, for the peers that stand on SQLAlchemy."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, ForeignKey, String, Text, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    type_annotation_map = {datetime: DateTime(timezone=True), dict[str, Any]: JSON}


class DrivingSession(Base):
    __tablename__ = "driving_sessions"

    id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True)
    user_id: Mapped[str] = mapped_column(Uuid(as_uuid=False))
    client_session_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    status: Mapped[str] = mapped_column(String(16))
    end_reason: Mapped[str | None] = mapped_column(String(32))
    name: Mapped[str | None] = mapped_column(String(200))
    notes: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[list[str]] = mapped_column(JSON)
    vehicle: Mapped[dict[str, Any] | None]
    device: Mapped[dict[str, Any] | None]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    last_reading_at: Mapped[datetime | None]
    readings_count: Mapped[int]
    last_seq: Mapped[int | None] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    first_reading_at: Mapped[datetime | None]
    distance_m: Mapped[float]
    speed_sum: Mapped[float]
    speed_count: Mapped[int]
    speed_max: Mapped[float | None]
    last_speed: Mapped[float | None]
    last_speed_at: Mapped[datetime | None]


class Reading(Base):
    __tablename__ = "readings"

    session_id: Mapped[str] = mapped_column(ForeignKey(DrivingSession.id), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    t: Mapped[datetime]
    lat: Mapped[float | None]
    lon: Mapped[float | None]
    accuracy_m: Mapped[float | None]
    speed_mps: Mapped[float | None]
    heading_deg: Mapped[float | None]
    accel_long_mps2: Mapped[float | None]
    accel_lat_mps2: Mapped[float | None]
    perclos: Mapped[float | None]
    fatigue_score: Mapped[float | None]
    eyes_closed: Mapped[bool | None]
    blink_rate_pm: Mapped[float | None]
    hr_bpm: Mapped[float | None]
