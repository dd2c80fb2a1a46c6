"""Who is calling, for the Flask peers whose cache library caches the session: flask-jwt-extended with its loaders."""

import json
from typing import Any

from flask import Flask
from flask_jwt_extended import JWTManager
from redis import Redis
from settings import REDIS_URL, SECRET, blacklist_key, user_key

redis = Redis.from_url(REDIS_URL, decode_responses=True)


def identify_callers(app: Flask) -> None:
    app.config["JWT_SECRET_KEY"] = SECRET
    jwt = JWTManager(app)

    @jwt.token_in_blocklist_loader
    def is_revoked(_header: dict[str, Any], payload: dict[str, Any]) -> bool:
        return redis.get(blacklist_key(payload["jti"])) is not None

    @jwt.user_lookup_loader
    def load_user(_header: dict[str, Any], payload: dict[str, Any]) -> dict[str, Any] | None:
        user = redis.get(user_key(payload["sub"]))
        return json.loads(user) if user else None
