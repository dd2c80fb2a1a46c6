"""What operations people need: health, the description of the API, commands."""

from flask import Flask

from webapp.ops import commands, description, health


def init_app(app: Flask) -> None:
    """Let people operate `app`. The last of the rooms with routes: it describes them all."""
    commands.init_app(app)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(description.blueprint)
    description.init_app(app)
