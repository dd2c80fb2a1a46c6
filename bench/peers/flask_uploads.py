"""Uploads with Flask-SQLAlchemy: the drive as an object, its readings with ON CONFLICT DO NOTHING, pydantic's body."""

import json
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, abort, jsonify, request
from flask_identity import identify_callers, redis
from flask_jwt_extended import current_user, jwt_required
from flask_sqlalchemy import SQLAlchemy
from pydantic import ValidationError
from settings import DATABASE_URL, session_key
from sqlalchemy.dialects.postgresql import insert
from upload_model import Batch
from upload_summary import SUM_UP, document, grown, is_in_order
from upload_tables import DrivingSession, Reading

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = DATABASE_URL
identify_callers(app)
db = SQLAlchemy(app)

INSERT = insert(Reading).on_conflict_do_nothing().returning(Reading.seq)


@app.post("/api/v1/sessions/<uuid:session_id>/readings")
@jwt_required()
def upload(session_id: Any) -> Response:
    try:
        batch = Batch.model_validate_json(request.get_data())
    except ValidationError:
        abort(422)
    session = db.session.get(DrivingSession, str(session_id), with_for_update=True)
    if session is None or session.user_id != current_user["id"] or not current_user["is_active"]:
        abort(404)
    rows = [{"session_id": session.id, **reading.model_dump()} for reading in batch.readings]
    accepted = set(db.session.scalars(INSERT, rows))
    by_seq = {row["seq"]: row for row in reversed(rows)}
    take_in(session, [by_seq[seq] for seq in sorted(accepted)])
    receipt = {"accepted": len(accepted), "duplicates": len(rows) - len(accepted)}
    receipt |= {"last_seq": session.last_seq, "session_version": session.version}
    shown = json.dumps(document(session))
    db.session.commit()
    redis.set(session_key(str(session_id)), shown)
    return jsonify(receipt)


def take_in(session: DrivingSession, fresh: list[dict[str, Any]]) -> None:
    if fresh and is_in_order(session, fresh):
        for name, value in grown(session, fresh).items():
            setattr(session, name, value)
        session.readings_count += len(fresh)
        session.version += 1
        session.updated_at = datetime.now(UTC)
        db.session.flush()
    elif fresh:
        db.session.connection().exec_driver_sql(SUM_UP, {"session_id": session.id})
        db.session.refresh(session)


@app.get("/api/v1/sessions/<uuid:session_id>")
@jwt_required()
def get_session(session_id: Any) -> Response:
    shown = redis.get(session_key(str(session_id)))
    if shown is None:
        session = db.get_or_404(DrivingSession, str(session_id))
        shown = json.dumps(document(session))
    if json.loads(shown)["user_id"] != current_user["id"]:
        abort(404)
    return Response(shown, mimetype="application/json")
