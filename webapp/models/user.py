from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Index, String, text, true
from sqlalchemy.orm import Mapped, mapped_column

from webapp.clock import utcnow
from webapp.models.base import Base, PrimaryId

_IS_DELETED = text("deleted_at IS NOT NULL")


class User(Base):
    """A driver or an administrator.

    `version` rises with every change of the account or of its logins: it is the version of `user:{user_id}` in the
    cache. `sessions_version` rises when a drive of the user's begins, ends or is deleted: it is the version of the
    cached list. A deleted account keeps an empty row for a day (`deleted_at`, no e-mail, no name), so that the
    reconciler still finds it.
    """

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("role IN ('driver', 'admin')", name="role"),
        Index("ix_users_updated_at", "updated_at"),
        Index("ix_users_deleted_at", "deleted_at", sqlite_where=_IS_DELETED, postgresql_where=_IS_DELETED),
    )

    id: Mapped[PrimaryId]
    email: Mapped[str | None] = mapped_column(String(320), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    full_name: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(16), default="driver", server_default="driver")
    is_active: Mapped[bool] = mapped_column(default=True, server_default=true())
    version: Mapped[int] = mapped_column(BigInteger)
    sessions_version: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    updated_at: Mapped[datetime] = mapped_column(default=utcnow, onupdate=utcnow)
    deleted_at: Mapped[datetime | None]

    __mapper_args__ = {"version_id_col": version}
