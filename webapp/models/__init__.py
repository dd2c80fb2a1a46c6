"""The tables. They know nothing of HTTP, Redis or Celery; the cache attaches itself to their session from outside."""

from webapp.models.audit_event import AuditEvent
from webapp.models.base import Base, is_id, new_id
from webapp.models.driving_session import DrivingSession
from webapp.models.idempotency import IdempotentAnswer
from webapp.models.login import Login
from webapp.models.missed_fence import MissedFence
from webapp.models.reading_chunk import ReadingChunk
from webapp.models.reading_sums import ReadingSums
from webapp.models.user import User

__all__ = [
    "AuditEvent",
    "Base",
    "DrivingSession",
    "IdempotentAnswer",
    "Login",
    "MissedFence",
    "ReadingChunk",
    "ReadingSums",
    "User",
    "is_id",
    "new_id",
]
