"""Accounts: registration, the own account, deletion, retention, administration. Stands above the drives."""

from flask import Flask

from webapp.accounts import admin_routes, routes


def init_app(app: Flask) -> None:
    """Let people have accounts of `app`."""
    app.register_blueprint(routes.blueprint)
    app.register_blueprint(admin_routes.blueprint)
