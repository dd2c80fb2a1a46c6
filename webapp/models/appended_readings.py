from sqlalchemy import BigInteger, ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from webapp.models.base import Base, Id


class AppendedReadings(Base):
    """The readings of one upload in order, until the worker moves them into the chunks of their drive.

    Every seq is higher than all that the drive had before, in its chunks or in other rows of this table: so no reading
    stands anywhere twice.
    """

    __tablename__ = "appended_readings"

    session_id: Mapped[Id] = mapped_column(ForeignKey("driving_sessions.id", ondelete="CASCADE"), primary_key=True)
    first_seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    readings_count: Mapped[int]
    data: Mapped[bytes] = mapped_column(LargeBinary)
