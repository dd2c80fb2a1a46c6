from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from webapp.models.base import Base, Id


class ReadingSums(Base):
    """One node of the tree of sums over a drive's chunks; see webapp/readings/tree.py.

    A drive of a single chunk has none. The rows of a drive go with its chunks.
    """

    __tablename__ = "reading_sums"

    session_id: Mapped[Id] = mapped_column(ForeignKey("driving_sessions.id", ondelete="CASCADE"), primary_key=True)
    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    children: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
