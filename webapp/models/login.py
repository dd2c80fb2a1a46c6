from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.clock import utcnow
from webapp.models.base import Base, Id, PrimaryId

_IS_REVOKED = text("revoked_at IS NOT NULL")


class Login(Base):
    """One device that logged in: a family of refresh tokens, of which only the newest generation is good.

    No token is stored. `generation` is the one claim of a refresh token that changes with each rotation.
    """

    __tablename__ = "logins"
    __table_args__ = (
        Index("ix_logins_user_id", "user_id"),
        Index("ix_logins_expires_at", "expires_at"),
        Index("ix_logins_revoked_at", "revoked_at", sqlite_where=_IS_REVOKED, postgresql_where=_IS_REVOKED),
    )

    id: Mapped[PrimaryId]
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    generation: Mapped[int] = mapped_column(BigInteger, default=1)
    rotated_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    last_used_at: Mapped[datetime] = mapped_column(default=utcnow)
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoke_reason: Mapped[str | None] = mapped_column(String(32))
    user_agent: Mapped[str | None] = mapped_column(String(256))
    ip: Mapped[str | None] = mapped_column(String(64))
