from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.clock import utcnow
from webapp.models.base import Base, PrimaryId


class MissedFence(Base):
    """A fence that Redis did not take, owed until somebody has made up for it.

    A process believes what Redis holds while it finds this table empty. `key` is a key of the cache, and no version
    below `floor` may be served under it.
    """

    __tablename__ = "missed_fences"

    id: Mapped[PrimaryId]
    key: Mapped[str] = mapped_column(String(64))
    floor: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
