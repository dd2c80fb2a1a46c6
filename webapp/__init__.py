"""The web application. This module wires the rooms together, and does nothing else."""

from flask import Flask

from webapp.auth import admin_routes, passwords, tokens, user_routes
from webapp.auth import routes as auth_routes
from webapp.cache import declared as declared  # Attaches the coherence listeners to db.session.
from webapp.cache.redis import init_redis
from webapp.config import Settings, load
from webapp.database import engine_options, init_database
from webapp.driving import routes as driving_routes
from webapp.edge import Edge
from webapp.extensions import db, migrate
from webapp.http.bodies import MAX_BODY_BYTES
from webapp.http.browsers import init_browsers
from webapp.http.errors import register_error_handlers
from webapp.http.json import OrjsonProvider
from webapp.http.rate_limits import init_rate_limits
from webapp.http.requests import register_request_hooks
from webapp.http.threads import Threads
from webapp.jobs import configure_producer
from webapp.logs import configure_logs
from webapp.ops import commands, description, health


def create_app(settings: Settings | None = None) -> Flask:
    """Make the application. Without `settings` they are read from the environment; nothing is connected yet."""
    settings = settings or load()
    configure_logs(settings)
    app = Flask(__name__, static_folder=None)
    app.json = OrjsonProvider(app)
    app.config.update(
        SETTINGS=settings,
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        SQLALCHEMY_DATABASE_URI=settings.sqlalchemy_url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings),
    )
    db.init_app(app)
    migrate.init_app(app, db)
    tokens.configure(app, settings)
    configure_producer(settings)
    app.extensions["threads"] = Threads(settings.web_threads)
    passwords.init_passwords(app)
    init_database(app, settings)
    cache = init_redis(app)
    init_rate_limits(app, cache)
    register_error_handlers(app)
    register_request_hooks(app)
    init_browsers(app, settings)
    for room in (auth_routes, user_routes, admin_routes, driving_routes, health, description):
        app.register_blueprint(room.blueprint)
    description.init_description(app)
    commands.register(app)
    app.wsgi_app = Edge(app, app.wsgi_app)  # type: ignore[method-assign]
    return app
