"""Flask-Caching around the function that loads the session, the owner checked after it."""

from typing import Any

from flask import Flask, abort, jsonify
from flask_caching import Cache
from flask_identity import identify_callers
from flask_jwt_extended import current_user, jwt_required
from settings import REDIS_URL, load_session

app = Flask(__name__)
identify_callers(app)
cache = Cache(app, config={"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": REDIS_URL, "CACHE_KEY_PREFIX": "peer:memo:"})
cached_session = cache.memoize(timeout=3600)(load_session)


@app.get("/api/v1/sessions/<session_id>")
@jwt_required()
def get_session(session_id: str) -> Any:
    session = cached_session(session_id)
    if session is None or session["user_id"] != current_user["id"]:
        abort(404)
    return jsonify(session)
