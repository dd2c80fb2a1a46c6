from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Index, String, Text, and_, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.clock import utcnow
from webapp.models.base import Base, Id, PrimaryId

ACTIVE, COMPLETED, ABANDONED = "active", "completed", "abandoned"

_IS_DELETED = text("deleted_at IS NOT NULL")


class DrivingSession(Base):
    """One drive.

    `version` rises with every change of what a client sees and with nothing else; it is the ETag and the version of
    `session:{session_id}` in the cache. `last_contact_at` and `closed_at` are times of the server's clock that no
    client sees, and `sums` is what `summary` is made of (see webapp/driving/sums.py): None before the first reading. A
    deleted drive keeps its row (`deleted_at`) so that its version can go on rising.
    """

    __tablename__ = "driving_sessions"
    __table_args__ = (
        CheckConstraint("status IN ('active', 'completed', 'abandoned')", name="status"),
        Index("uq_driving_sessions_client_session_id", "user_id", "client_session_id", unique=True),
        Index("ix_driving_sessions_newest", "user_id", "started_at", "id"),
        Index("ix_driving_sessions_updated_at", "updated_at"),
        Index("ix_driving_sessions_deleted_at", "deleted_at", sqlite_where=_IS_DELETED, postgresql_where=_IS_DELETED),
    )

    id: Mapped[PrimaryId]
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    client_session_id: Mapped[Id | None]
    status: Mapped[str] = mapped_column(String(16), default=ACTIVE)
    end_reason: Mapped[str | None] = mapped_column(String(32))
    name: Mapped[str | None] = mapped_column(String(200))
    notes: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[list[str]] = mapped_column(JSON, default=list)
    vehicle: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    device: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    started_at: Mapped[datetime] = mapped_column(default=utcnow)
    ended_at: Mapped[datetime | None]
    last_reading_at: Mapped[datetime | None]
    readings_count: Mapped[int] = mapped_column(default=0)
    last_seq: Mapped[int | None] = mapped_column(BigInteger)
    summary: Mapped[dict[str, Any]] = mapped_column(JSON)
    sums: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    version: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    updated_at: Mapped[datetime] = mapped_column(default=utcnow, onupdate=utcnow)
    last_contact_at: Mapped[datetime] = mapped_column(default=utcnow)
    closed_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]

    __mapper_args__ = {"version_id_col": version}


IS_ACTIVE = and_(DrivingSession.status == ACTIVE, DrivingSession.deleted_at.is_(None))
"""The drive that is going on. A driver has one at most."""

_WHERE_ACTIVE: dict[str, Any] = {"sqlite_where": IS_ACTIVE, "postgresql_where": IS_ACTIVE}
Index("uq_driving_sessions_one_active", DrivingSession.user_id, unique=True, **_WHERE_ACTIVE)
Index("ix_driving_sessions_silent", DrivingSession.last_contact_at, **_WHERE_ACTIVE)
