"""What is cached, declared in one place: which model fences which keys, and what the worker warms after a change."""

from webapp.cache import keys, session_lists
from webapp.cache.coherence import coherence, versions
from webapp.cache.entries import DELETED
from webapp.extensions import db
from webapp.models import DrivingSession, User

coherence.declare(User, versions(keys.user, DELETED))
coherence.declare(DrivingSession, versions(keys.session, DELETED))
coherence.declare(DrivingSession, session_lists.raise_counters, session_lists.present_counters)
coherence.warm_after_change(keys.SESSION_PREFIX)
coherence.attach(db.session)
