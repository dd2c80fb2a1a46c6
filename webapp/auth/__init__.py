"""Who is calling: logins, tokens, passwords, and the guard that decides."""

from flask import Flask

from webapp.auth import passwords, routes, tokens
from webapp.auth.cached_users import USERS
from webapp.cache.redis import cache_of


def init_app(app: Flask) -> None:
    """Let people log in to `app`."""
    tokens.init_app(app)
    passwords.init_app(app)
    cache_of(app).register(USERS)
    app.register_blueprint(routes.blueprint)
