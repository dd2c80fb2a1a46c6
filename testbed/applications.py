"""Applications beside the one of the `app` fixture, as further processes are."""

from flask import Flask

from webapp.cache.redis import Cache, close_redis
from webapp.database import db


def believing(app: Flask) -> Flask:
    """Have an application believe what it finds in Redis."""
    cache: Cache = app.extensions["cache"]
    with app.app_context():
        cache.trust.believes()
        cache.trust.settle()
        db.session.remove()
    return app


def closed(app: Flask) -> None:
    """Close what an application holds open."""
    close_redis(app)
    with app.app_context():
        db.engine.dispose()
