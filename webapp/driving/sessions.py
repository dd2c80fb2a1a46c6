"""The life of a drive: start, change, end, delete, abandon. It works in `db.session`; routes and tasks commit.

active → completed (the client ended it) or → abandoned (no contact for 15 minutes, by the server's clock).
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select

from webapp.cache import coherence
from webapp.clock import to_milliseconds, utcnow
from webapp.database import db, read_connection
from webapp.driving import queries, session_rows
from webapp.driving.documents import WRITTEN, require_small, sizes_of
from webapp.driving.schemas import SessionStart
from webapp.driving.session_rows import SessionRow
from webapp.http.errors import Conflict, NotFound, Problem, field_error, standing
from webapp.models import DrivingSession, new_id
from webapp.models.driving_session import ABANDONED, ACTIVE, COMPLETED, IS_ACTIVE
from webapp.readings.summary import summarize

MAX_FUTURE = timedelta(minutes=5)
"""How far a client's clock may be ahead of the server's."""

ABANDONED_AFTER = timedelta(minutes=15)

UNSET: dict[str, Any] = dict.fromkeys(
    ("end_reason", "ended_at", "last_reading_at", "last_seq", "sums", "closed_at", "deleted_at")
)
"""What a drive has not when it begins."""


def not_found() -> NotFound:
    """Make the one answer for a session that never was, was deleted, is somebody else's, or has a malformed id."""
    return NotFound("There is no such session.", code="session_not_found")


def start(user_id: str, given: SessionStart) -> tuple[SessionRow, bool]:
    """Start a drive, or find the one that this client_session_id started. Returns it and whether it is new.

    Raises 409 when another drive is active, 422 when it starts in the future or its document is too large, and
    IntegrityError when another start came in between: who begins anew then meets that one.
    """
    now = utcnow()
    started_at = given.started_at or now
    if started_at > now + MAX_FUTURE:
        raise field_error("/started_at", "in_the_future", "must not lie more than 5 minutes in the future")
    client_session_id = str(given.client_session_id) if given.client_session_id else None
    if repeated := _in_the_way(user_id, client_session_id):
        confirm(repeated)
        return repeated, False
    session = SessionRow(
        **UNSET,
        id=new_id(),
        user_id=user_id,
        client_session_id=client_session_id,
        status=ACTIVE,
        name=given.name,
        notes=given.notes,
        tags=given.tags or [],
        vehicle=given.vehicle,
        device=given.device,
        started_at=started_at,
        readings_count=0,
        summary=summarize(None, "live"),
        created_at=now,
        updated_at=now,
        last_contact_at=now,
    )
    require_small(session, {})
    session_rows.add(session)
    return session, True


def _in_the_way(user_id: str, client_session_id: str | None) -> SessionRow | None:
    """Return the drive that this client_session_id started. Raises 409: it was deleted, or another is active."""
    is_same = [DrivingSession.client_session_id == client_session_id] if client_session_id else []
    found = session_rows.read(DrivingSession.user_id == user_id, or_(IS_ACTIVE, *is_same))
    for session in found:
        if client_session_id and session.client_session_id == client_session_id:
            if session.deleted_at is not None:
                deleted = Conflict("The session of this client_session_id was deleted.", code="session_deleted")
                raise told(session, deleted)
            return session
    if found:
        active_id = found[0].id
        active = Conflict("Another drive is active. End it first.", code="session_already_active", session_id=active_id)
        raise told(found[0], active)
    return None


def locked(user_id: str, session_id: str) -> SessionRow:
    """Return a driver's session, locked until the end of the transaction. Raises 404."""
    session = session_rows.lock(session_id, user_id)
    if session is None:
        raise not_found()
    if session.deleted_at is not None:
        raise told(session, not_found())
    return session


def told(session: SessionRow, refusal: Problem) -> Problem:
    """Return a refusal that tells of what was written before (its version, its end, its deletion): to who repeats a
    write, that is the acknowledgement. What was begun is rolled back, and what is told of is confirmed.
    """
    user_id, session_id = session.user_id, session.id
    db.session.rollback()
    confirm_stored(user_id, session_id)
    return standing(refusal)


def confirm(session: SessionRow) -> None:
    """Have what is cached of a session fenced although it stays as it is: the client repeats a write.

    Whoever did it first may have died between its COMMIT and its fence. The session need not be locked: it is fenced at
    the version that was read, and whoever commits a later one fences that.
    """
    coherence.confirm(db.session(), DrivingSession, session)


def confirm_stored(user_id: str, session_id: str) -> None:
    """Confirm what is stored of a session, for an answer that tells of an earlier write."""
    for session in session_rows.read(DrivingSession.id == session_id, DrivingSession.user_id == user_id):
        confirm(session)


def change(session: SessionRow, changes: dict[str, Any]) -> None:
    """Set what the client names (name, notes, tags, vehicle). Nothing rises when nothing is different.

    Raises 422 when the document would be too large.
    """
    if "tags" in changes:
        changes["tags"] = changes["tags"] or []
    different = {name: value for name, value in changes.items() if getattr(session, name) != value}
    require_small(SessionRow(**(vars(session) | different)), sizes_of(session))
    if different:
        session_rows.write(session, {**different, "last_contact_at": utcnow()})
    else:
        note_contact(session)


def end(session: SessionRow, ended_at: datetime | None) -> None:
    """Complete a drive; one that is closed stays as it is. Raises 422: before its start, or in the future."""
    if session.status != ACTIVE:
        confirm(session)
        return
    now = utcnow()
    at = ended_at or max(now, session.started_at)
    if at < session.started_at:
        raise field_error("/ended_at", "before_the_start", "must not lie before started_at")
    if at > max(now, session.started_at) + MAX_FUTURE:
        raise field_error("/ended_at", "in_the_future", "must not lie more than 5 minutes in the future")
    _close(session, COMPLETED, "client", at)


def abandon(session: SessionRow) -> None:
    """Close a drive that fell silent: it ended with its last reading, or where it started if there was none."""
    _close(session, ABANDONED, "timeout", max(session.last_reading_at or session.started_at, session.started_at))


def _close(session: SessionRow, status: str, reason: str, ended_at: datetime) -> None:
    now = utcnow()
    changes = {
        "status": status,
        "end_reason": reason,
        "ended_at": to_milliseconds(ended_at),
        "closed_at": now,
        "summary": {**session.summary, "status": "final"},
        "last_contact_at": now,
    }
    session_rows.write(session, changes)


def delete(session: SessionRow) -> None:
    """Delete a drive, with what a person wrote into it. Its readings are erased soon after, by the worker.

    Its row stays, so that its version can go on rising.
    """
    session_rows.write(session, {**WRITTEN, "deleted_at": utcnow()})


def note_contact(session: SessionRow) -> None:
    """Write down that a drive was heard of, by a write that changes nothing that is shown: no version rises."""
    session_rows.write_unseen(session, last_contact_at=utcnow())
    confirm(session)


def silent_ids(limit: int) -> list[str]:
    """Return the ids of active drives without any contact for 15 minutes, longest silent first."""
    silent = select(DrivingSession.id).where(queries.silent_since(utcnow() - ABANDONED_AFTER))
    with read_connection() as connection:
        return list(connection.scalars(silent.order_by(DrivingSession.last_contact_at).limit(limit)))


def close_if_silent(session_id: str) -> SessionRow | None:
    """Abandon a drive unless it was heard of meanwhile. Returns it if it was."""
    session = session_rows.lock_for_worker(session_id, queries.silent_since(utcnow() - ABANDONED_AFTER))
    if session is not None:
        abandon(session)
    return session
