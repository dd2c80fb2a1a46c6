"""Drives: their life, their readings as they come in, and what is cached of them."""

from flask import Flask

from webapp.cache.redis import cache_of
from webapp.driving import routes
from webapp.driving.cached_lists import SESSION_LISTS
from webapp.driving.cached_sessions import SESSIONS


def init_app(app: Flask) -> None:
    """Let drivers record their drives with `app`."""
    for kind in (SESSIONS, SESSION_LISTS):
        cache_of(app).register(kind)
    app.register_blueprint(routes.blueprint)
