"""The Driving sessions table of the contract, and the upload of readings."""

import orjson
from flask import Blueprint, Response, jsonify, url_for

from webapp.auth import logins
from webapp.auth.endpoint import endpoint
from webapp.auth.guard import Caller
from webapp.cache.fills import Prefetched, Source
from webapp.database import db, read_connection
from webapp.driving import cached_lists, cached_sessions, compaction, intake, limits, queries, sessions
from webapp.driving.answers import private_headers
from webapp.driving.cached_lists import list_page
from webapp.driving.cached_sessions import SESSIONS, CachedSession
from webapp.driving.documents import session_json
from webapp.driving.reading_schemas import ReadingBatch, ReceiptDocument
from webapp.driving.schemas import (
    ListQuery,
    SessionChange,
    SessionDocument,
    SessionEnd,
    SessionListDocument,
    SessionStart,
)
from webapp.driving.session_rows import SessionRow
from webapp.http import idempotency
from webapp.http.conditional import IfMatch, IfNoneMatch, etag, mismatch
from webapp.http.errors import NotFound
from webapp.http.idempotency import IdempotencyKey
from webapp.http.rate_limits import Allowance, rate_limits
from webapp.models import is_id

blueprint = Blueprint("driving", __name__, url_prefix="/api/v1")
TAG, JSON = "Driving sessions", "application/json"


@blueprint.post("/sessions")
@endpoint({201: SessionDocument}, tag=TAG)
def start_session(caller: Caller, json: SessionStart, headers: IdempotencyKey) -> Response:
    """Start a drive."""
    user_id, key = caller.user.id, headers.idempotency_key
    is_counted = False

    def work() -> Response:
        nonlocal is_counted
        session, is_new = sessions.start(user_id, json)
        if is_counted := is_new or key is not None:
            rate_limits().require(limits.STARTS, user_id)
        logins.hold_account(user_id)
        return _session_response(session, 201, Location=url_for("driving.get_session", session_id=session.id))

    def confirm(kept: Response) -> None:
        sessions.confirm_stored(user_id, orjson.loads(kept.data)["id"])

    response = idempotency.answer_once(user_id, key, work, confirm)
    db.session.commit()
    if is_counted:
        rate_limits().note(limits.STARTS, user_id)
    return response


@blueprint.get("/sessions")
@endpoint(SessionListDocument, tag=TAG)
def list_sessions(caller: Caller, query: ListQuery) -> Response:
    """List the own drives, newest first."""
    if query.is_first_page():
        page, source = cached_lists.get_first_page(caller.user.id)
        return _private(Response(page, mimetype=JSON), source)
    with read_connection() as connection:
        found = list_page(connection, queries.filtered(caller.user.id, query), query)
    return _private(jsonify(found), Source.BYPASS)


@blueprint.get("/sessions/active")
@endpoint(SessionDocument, 404, tag=TAG)
def get_active_session(caller: Caller, headers: IfNoneMatch) -> Response:
    """Return the drive that is going on."""
    session, source = cached_lists.get_active(caller.user.id)
    if session is None:
        raise NotFound("No drive is active.", code="no_active_session")
    return _read(caller, session, source, headers)


@blueprint.get("/sessions/<session_id>")
@endpoint(SessionDocument, tag=TAG, also=("session_id", SESSIONS))
def get_session(caller: Caller, session_id: str, headers: IfNoneMatch, prefetched: Prefetched) -> Response:
    """Return a drive: the hot read."""
    _require_id(session_id)
    entry, source = prefetched.get()
    return _read(caller, cached_sessions.parse(entry), source, headers)


@blueprint.patch("/sessions/<session_id>")
@endpoint(SessionDocument, tag=TAG)
def change_session(caller: Caller, session_id: str, json: SessionChange, headers: IfMatch) -> Response:
    """Change a drive's name, notes, tags or vehicle."""
    session = _locked(caller, session_id, headers)
    sessions.change(session, json.model_dump(exclude_unset=True))
    db.session.commit()
    return _session_response(session)


@blueprint.post("/sessions/<session_id>/end")
@endpoint(SessionDocument, tag=TAG)
def end_session(caller: Caller, session_id: str, json: SessionEnd, headers: IfMatch) -> Response:
    """End a drive. Ending it again gives the same answer."""
    session = _locked(caller, session_id, headers)
    sessions.end(session, json.ended_at)
    db.session.commit()
    compaction.ask(session)
    return _session_response(session)


@blueprint.delete("/sessions/<session_id>")
@endpoint({204: None}, tag=TAG)
def delete_session(caller: Caller, session_id: str, headers: IfMatch) -> tuple[str, int]:
    """Delete a drive."""
    sessions.delete(_locked(caller, session_id, headers))
    db.session.commit()
    return "", 204


@blueprint.post("/sessions/<session_id>/readings")
@endpoint(ReceiptDocument, 409, tag="Readings", limit=limits.READINGS)
def upload_readings(caller: Caller, session_id: str, json: ReadingBatch, allowance: Allowance) -> Response:
    """Upload readings: late, out of order and repeated ones are welcome."""
    _require_id(session_id)
    batch = json.measured()
    cost = limits.cost_of(batch)
    allowance.require(cost)
    session = sessions.locked(caller.user.id, session_id)
    tail_before = compaction.tail_of(session)
    receipt = intake.take_in(session, batch)
    allowance.note(cost)
    db.session.commit()
    compaction.ask(session, tail_before)
    return jsonify(receipt)


def _require_id(session_id: str) -> None:
    """Refuse a malformed id as one that never was: only the canonical form of a UUID names a session."""
    if not is_id(session_id):
        raise sessions.not_found()


def _locked(caller: Caller, session_id: str, headers: IfMatch) -> SessionRow:
    _require_id(session_id)
    session = sessions.locked(caller.user.id, session_id)
    if not headers.allows(session.version):
        raise sessions.told(session, mismatch(session.version))
    return session


def _session_response(session: SessionRow, status: int = 200, **headers: str) -> Response:
    response = Response(session_json(session).text, status, mimetype=JSON)
    response.headers.update({"ETag": etag(session.version), **headers})
    return response


def _read(caller: Caller, session: CachedSession | None, source: Source, headers: IfNoneMatch) -> Response:
    """Answer a read. The owner is checked here, on hits and misses alike: nothing is served without it."""
    if session is None or not session.is_visible_to(caller.user.id):
        raise sessions.not_found()
    has_it = headers.names(session.version)
    response = Response(status=304) if has_it else Response(session.json, mimetype=JSON)
    response.headers["ETag"] = etag(session.version)
    return _private(response, source)


def _private(response: Response, source: Source) -> Response:
    response.headers.update(private_headers(source))
    return response
