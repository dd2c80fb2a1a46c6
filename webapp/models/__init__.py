"""The tables. They know nothing of HTTP, Redis or Celery; the cache attaches itself to their session from outside."""

from webapp.models.appended_readings import AppendedReadings as AppendedReadings
from webapp.models.audit_event import AuditEvent as AuditEvent
from webapp.models.base import Base as Base
from webapp.models.base import is_id as is_id
from webapp.models.base import new_id as new_id
from webapp.models.driving_session import DrivingSession as DrivingSession
from webapp.models.idempotency import IdempotentAnswer as IdempotentAnswer
from webapp.models.login import Login as Login
from webapp.models.missed_fence import MissedFence as MissedFence
from webapp.models.reading_chunk import ReadingChunk as ReadingChunk
from webapp.models.reading_sums import ReadingSums as ReadingSums
from webapp.models.user import User as User
