from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from webapp.models.base import Base, Id


class ReadingChunk(Base):
    """The readings of one drive whose sequence numbers fall into one block, compressed.

    A sequence number belongs to exactly one block, and a block to exactly one row: that is what makes a reading unique
    per session and seq. `partial` is what these readings alone amount to.
    """

    __tablename__ = "reading_chunks"

    session_id: Mapped[Id] = mapped_column(ForeignKey("driving_sessions.id", ondelete="CASCADE"), primary_key=True)
    block: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    readings_count: Mapped[int]
    data: Mapped[bytes] = mapped_column(LargeBinary)
    partial: Mapped[dict[str, Any]] = mapped_column(JSON)
