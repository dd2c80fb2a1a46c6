"""Flask-Caching around a view. The cached answer is served without asking whose session it is: the key has the path."""

from typing import Any

from flask import Flask, abort, jsonify
from flask_caching import Cache
from flask_identity import identify_callers
from flask_jwt_extended import current_user, jwt_required
from settings import REDIS_URL, load_session

app = Flask(__name__)
identify_callers(app)
cache = Cache(app, config={"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": REDIS_URL, "CACHE_KEY_PREFIX": "peer:view:"})


@app.get("/api/v1/sessions/<session_id>")
@jwt_required()
@cache.cached(timeout=3600)
def get_session(session_id: str) -> Any:
    session = load_session(session_id)
    if session is None or session["user_id"] != current_user["id"]:
        abort(404)
    return jsonify(session)
