from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.clock import utcnow
from webapp.models.base import Base, Id, PrimaryId


class AuditEvent(Base):
    """Something that happened to an account. Holds no secret, and outlives the account (so it has no foreign key)."""

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("ix_audit_events_user_id", "user_id", "created_at"),
        Index("ix_audit_events_created_at", "created_at"),
    )

    id: Mapped[PrimaryId]
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    event: Mapped[str] = mapped_column(String(48))
    user_id: Mapped[Id | None]
    actor_id: Mapped[Id | None]
    login_id: Mapped[Id | None]
    request_id: Mapped[str | None] = mapped_column(String(128))
    ip: Mapped[str | None] = mapped_column(String(64))
    detail: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
