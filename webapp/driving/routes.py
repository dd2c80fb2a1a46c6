"""The Driving sessions table of the contract, and the upload of readings."""

from typing import Any

import orjson
from flask import Blueprint, Response, g, request, url_for
from sqlalchemy import select

from webapp.auth import logins
from webapp.auth.authenticate import authenticated
from webapp.auth.guard import Caller, may_see
from webapp.auth.tokens import is_uuid
from webapp.cache import driving_sessions, fills, session_lists
from webapp.cache.driving_sessions import SESSIONS, CachedSession, session_document
from webapp.cache.fills import Source
from webapp.cache.redis import get_cache
from webapp.cache.session_lists import SESSION_LISTS
from webapp.database import read_connection
from webapp.driving import limits, readings, sessions
from webapp.driving.answers import private_headers, read_headers
from webapp.driving.schemas import (
    ListQuery,
    ReadingBatch,
    ReceiptDocument,
    SessionChange,
    SessionDocument,
    SessionEnd,
    SessionListDocument,
    SessionStart,
)
from webapp.extensions import db
from webapp.http import idempotency
from webapp.http.api import BEARER, api, responses
from webapp.http.conditional import IfMatch, IfNoneMatch, etag, is_match, is_unchanged, mismatch
from webapp.http.errors import NotFound, field_error
from webapp.http.idempotency import IdempotencyKey
from webapp.models import DrivingSession
from webapp.models.driving_session import ACTIVE

blueprint = Blueprint("driving", __name__, url_prefix="/api/v1")
TAGS, JSON = ("Driving sessions",), "application/json"


@blueprint.post("/sessions")
@authenticated()
@api.validate(
    json=SessionStart,
    headers=IdempotencyKey,
    resp=responses(400, 401, 409, 413, 415, HTTP_201=SessionDocument),
    security=BEARER,
    tags=TAGS,
)
def start_session(caller: Caller) -> Response:
    """Start a drive."""
    given: SessionStart = request.context.json  # type: ignore[attr-defined]
    is_counted = False

    def work() -> Response:
        nonlocal is_counted
        session, is_new = sessions.start(caller.user.id, given)
        if is_counted := is_new or idempotency.has_key():
            limits.require_start(caller.user.id)
        logins.hold_account(caller.user.id)
        response = _session_response(session, 201)
        response.headers["Location"] = url_for("driving.get_session", session_id=session.id)
        return response

    response = idempotency.answer_once(
        caller.user.id, work, lambda kept: sessions.confirm_committed(caller.user.id, orjson.loads(kept.data)["id"])
    )
    if is_counted:
        limits.note_start(caller.user.id)
    return response


@blueprint.get("/sessions")
@authenticated()
@api.validate(query=ListQuery, resp=responses(401, HTTP_200=SessionListDocument), security=BEARER, tags=TAGS)
def list_sessions(caller: Caller) -> Response:
    """List the own drives, newest first."""
    query: ListQuery = request.context.query  # type: ignore[attr-defined]
    if query.is_first_page():
        entry, source = fills.get(SESSION_LISTS, caller.user.id)
        return _private(Response(entry.body, mimetype=JSON), source)
    with read_connection() as connection:
        page = session_lists.page(connection, _filtered(caller.user.id, query), query.limit)
    return _private(Response(orjson.dumps(page), mimetype=JSON), Source.BYPASS)


@blueprint.get("/sessions/active")
@authenticated()
@api.validate(
    headers=IfNoneMatch,
    resp=responses(401, 404, HTTP_200=SessionDocument, HTTP_304=None),
    security=BEARER,
    tags=TAGS,
)
def get_active_session(caller: Caller) -> Response:
    """Return the drive that is going on."""
    with read_connection() as connection:
        session_id = connection.scalar(
            select(DrivingSession.id).where(
                DrivingSession.user_id == caller.user.id,
                DrivingSession.status == ACTIVE,
                DrivingSession.deleted_at.is_(None),
            )
        )
    session, source = driving_sessions.get(session_id) if session_id else (None, Source.MISS)
    if session is None or orjson.loads(session.json)["status"] != ACTIVE:  # It may have ended since.
        raise NotFound("No drive is active.", code="no_active_session")
    return _answer(session, source, caller)


@blueprint.get("/sessions/<session_id>")
@authenticated()
@api.validate(
    headers=IfNoneMatch,
    resp=responses(401, 404, HTTP_200=SessionDocument, HTTP_304=None),
    security=BEARER,
    tags=TAGS,
)
def get_session(caller: Caller, session_id: str) -> Response:
    """Return a drive: the hot read."""
    _require_id(session_id)
    if g.prefetched is None:
        return _answer(driving_sessions.parse(fills.load(SESSIONS, session_id)), Source.BYPASS, caller)
    entry = get_cache().entries.parse(g.prefetched[0])
    if entry is not None:
        return _answer(driving_sessions.parse(entry), Source.HIT, caller)
    entry, source = fills.fill(SESSIONS, session_id)
    return _answer(driving_sessions.parse(entry), source, caller)


@blueprint.patch("/sessions/<session_id>")
@authenticated()
@api.validate(
    json=SessionChange,
    headers=IfMatch,
    resp=responses(400, 401, 404, 409, 412, 413, 415, HTTP_200=SessionDocument),
    security=BEARER,
    tags=TAGS,
)
def change_session(caller: Caller, session_id: str) -> Response:
    """Change a drive's name, notes, tags or vehicle."""
    changes: SessionChange = request.context.json  # type: ignore[attr-defined]
    session = _locked(caller, session_id)
    sessions.change(session, changes.model_dump(exclude_unset=True))
    return _committed(session)


@blueprint.post("/sessions/<session_id>/end")
@authenticated()
@api.validate(
    json=SessionEnd,
    headers=IfMatch,
    resp=responses(400, 401, 404, 409, 412, 413, 415, HTTP_200=SessionDocument),
    security=BEARER,
    tags=TAGS,
)
def end_session(caller: Caller, session_id: str) -> Response:
    """End a drive. Ending it again gives the same answer."""
    end: SessionEnd = request.context.json  # type: ignore[attr-defined]
    session = _locked(caller, session_id)
    sessions.end(session, end.ended_at)
    return _committed(session)


@blueprint.delete("/sessions/<session_id>")
@authenticated()
@api.validate(headers=IfMatch, resp=responses(401, 404, 409, 412, HTTP_204=None), security=BEARER, tags=TAGS)
def delete_session(caller: Caller, session_id: str) -> tuple[str, int]:
    """Delete a drive."""
    sessions.delete(_locked(caller, session_id))
    db.session.commit()
    return "", 204


@blueprint.post("/sessions/<session_id>/readings")
@authenticated()
@api.validate(
    json=ReadingBatch,
    resp=responses(400, 401, 404, 409, 413, 415, HTTP_200=ReceiptDocument),
    security=BEARER,
    tags=("Readings",),
)
def upload_readings(caller: Caller, session_id: str) -> Response:
    """Upload readings: late, out of order and repeated ones are welcome."""
    batch: ReadingBatch = request.context.json  # type: ignore[attr-defined]
    _require_id(session_id)
    cost = limits.cost_of(batch.readings)
    limits.require_readings(caller.user.id, cost)
    receipt = readings.take_in(sessions.locked(caller.user.id, session_id), batch.readings)
    db.session.commit()
    limits.note_readings(caller.user.id, cost)
    return Response(orjson.dumps(receipt), mimetype=JSON)


def _require_id(session_id: str) -> None:
    """Refuse a malformed id as one that never was: only the canonical form of a UUID names a session."""
    if not is_uuid(session_id):
        raise sessions.not_found()


def _locked(caller: Caller, session_id: str) -> DrivingSession:
    _require_id(session_id)
    session = sessions.locked(caller.user.id, session_id)
    if not is_match(session.version):
        raise sessions.told(session, mismatch(session.version))
    return session


def _committed(session: DrivingSession) -> Response:
    db.session.commit()
    return _session_response(session, 200)


def _session_response(session: DrivingSession, status: int) -> Response:
    response = Response(orjson.dumps(session_document(session)), status=status, mimetype=JSON)
    response.headers["ETag"] = etag(session.version)
    return response


def _answer(session: CachedSession | None, source: Source, caller: Caller) -> Response:
    """Answer a read. The owner is checked here, on hits and misses alike: nothing is served without it."""
    if session is None or not may_see(caller.user, session.owner_id):
        raise sessions.not_found()
    response = Response(status=304) if is_unchanged(session.version) else Response(session.json, mimetype=JSON)
    response.headers.update(read_headers(session.version, source))
    return response


def _private(response: Response, source: Source) -> Response:
    response.headers.update(private_headers(source))
    return response


def _filtered(user_id: str, query: ListQuery) -> Any:
    table = DrivingSession.__table__
    try:
        cursor = query.decoded_cursor()
    except ValueError:
        raise field_error("/cursor", "invalid_cursor", "is not a cursor of this list") from None
    conditions = [
        table.c.status == query.status if query.status else None,
        table.c.started_at >= query.from_ if query.from_ else None,
        table.c.started_at < query.to if query.to else None,
        table.c.updated_at >= query.updated_since if query.updated_since else None,
        session_lists.after(cursor) if cursor else None,
    ]
    return session_lists.newest_first(user_id).where(*(given for given in conditions if given is not None))
