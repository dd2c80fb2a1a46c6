"""No cache: flask-jwt-extended with its blocklist and users in the database, the session by Flask-SQLAlchemy."""

from typing import Any

from flask import Flask, abort, jsonify
from flask_jwt_extended import JWTManager, current_user, jwt_required
from flask_sqlalchemy import SQLAlchemy
from settings import DATABASE_URL, SECRET
from sqlalchemy import Uuid
from sqlalchemy.orm import Mapped, mapped_column

app = Flask(__name__)
app.config.update(JWT_SECRET_KEY=SECRET, SQLALCHEMY_DATABASE_URI=DATABASE_URL)
jwt = JWTManager(app)
db = SQLAlchemy(app)

with app.app_context():
    db.reflect()


class User(db.Model):  # type: ignore[name-defined]
    __table__ = db.metadata.tables["users"]


class DrivingSession(db.Model):  # type: ignore[name-defined]
    __table__ = db.metadata.tables["driving_sessions"]


class RevokedToken(db.Model):  # type: ignore[name-defined]
    """As in flask-jwt-extended's documentation of blocklists in a database."""

    __tablename__ = "peer_revoked_tokens"
    jti: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True)


with app.app_context():
    db.create_all()


@jwt.token_in_blocklist_loader
def is_revoked(_header: dict[str, Any], payload: dict[str, Any]) -> bool:
    return db.session.get(RevokedToken, payload["jti"]) is not None


@jwt.user_lookup_loader
def load_user(_header: dict[str, Any], payload: dict[str, Any]) -> Any:
    return db.session.get(User, payload["sub"])


@app.get("/api/v1/sessions/<session_id>")
@jwt_required()
def get_session(session_id: str) -> Any:
    session = db.session.get(DrivingSession, session_id)
    if session is None or str(session.user_id) != str(current_user.id):
        abort(404)
    columns = DrivingSession.__table__.columns.keys()
    response = jsonify({name: getattr(session, name) for name in columns})
    response.set_etag(str(session.version))
    return response
