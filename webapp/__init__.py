"""The web application. This module wires the rooms together, and does nothing else."""

from flask import Flask

from webapp import accounts, auth, cache, config, database, driving, http, jobs, logs, ops, threads

ROOMS = (logs, database, threads, jobs, cache, http, auth, driving, accounts, ops)
"""From the ground up."""


def create_app(settings: config.Settings | None = None) -> Flask:
    """Make the application. Without `settings` they are read from the environment; nothing is connected yet."""
    app = Flask(__name__, static_folder=None)
    app.config["SETTINGS"] = settings or config.load()
    for room in ROOMS:
        room.init_app(app)
    return app
