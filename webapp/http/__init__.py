"""Habits that all routes share: errors, bodies, headers, paging, limits, and how a request ends."""

from flask import Flask

from webapp.config import settings
from webapp.http import browsers, errors, json, rate_limits, requests


def init_app(app: Flask) -> None:
    """Give the routes of `app` these habits."""
    app.config["MAX_CONTENT_LENGTH"] = settings(app).web_max_body_bytes
    for habit in (json, errors, requests, browsers, rate_limits):
        habit.init_app(app)
