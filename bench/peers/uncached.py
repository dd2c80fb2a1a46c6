"""No cache: flask-jwt-extended with its blocklist and users in the database, the session by Flask-SQLAlchemy."""

from datetime import datetime
from typing import Any

from flask import Flask, abort, jsonify
from flask_jwt_extended import JWTManager, current_user, jwt_required
from flask_sqlalchemy import SQLAlchemy
from settings import DATABASE_URL, SECRET
from sqlalchemy import JSON, String, Text, Uuid
from sqlalchemy.orm import Mapped, mapped_column

app = Flask(__name__)
app.config.update(JWT_SECRET_KEY=SECRET, SQLALCHEMY_DATABASE_URI=DATABASE_URL)
jwt = JWTManager(app)
db = SQLAlchemy(app)


class RevokedToken(db.Model):  # type: ignore[name-defined]
    """As flask-jwt-extended's documentation shows a blocklist in a database."""

    __tablename__ = "peer_revoked_tokens"
    jti: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True)


class User(db.Model):  # type: ignore[name-defined]
    __tablename__ = "users"
    id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True)
    email: Mapped[str | None] = mapped_column(String(320))
    role: Mapped[str] = mapped_column(String(16))
    is_active: Mapped[bool]


class DrivingSession(db.Model):  # type: ignore[name-defined]
    __tablename__ = "driving_sessions"
    id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True)
    user_id: Mapped[str] = mapped_column(Uuid(as_uuid=False))
    client_session_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    status: Mapped[str] = mapped_column(String(16))
    end_reason: Mapped[str | None] = mapped_column(String(32))
    name: Mapped[str | None] = mapped_column(String(200))
    notes: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[list[str]] = mapped_column(JSON)
    vehicle: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    device: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    last_reading_at: Mapped[datetime | None]
    readings_count: Mapped[int]
    last_seq: Mapped[int | None]
    summary: Mapped[dict[str, Any]] = mapped_column(JSON)
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    def document(self) -> dict[str, Any]:
        values = {column.name: getattr(self, column.name) for column in self.__table__.columns}
        return {name: v.isoformat() if isinstance(v, datetime) else v for name, v in values.items()}


with app.app_context():
    RevokedToken.__table__.create(db.engine, checkfirst=True)


@jwt.token_in_blocklist_loader
def is_revoked(_header: dict[str, Any], payload: dict[str, Any]) -> bool:
    return db.session.get(RevokedToken, payload["jti"]) is not None


@jwt.user_lookup_loader
def load_user(_header: dict[str, Any], payload: dict[str, Any]) -> User | None:
    return db.session.get(User, payload["sub"])


@app.get("/api/v1/sessions/<session_id>")
@jwt_required()
def get_session(session_id: str) -> Any:
    session = db.session.get(DrivingSession, session_id)
    if session is None or session.user_id != current_user.id or not current_user.is_active:
        abort(404)
    response = jsonify(session.document())
    response.set_etag(str(session.version))
    return response
