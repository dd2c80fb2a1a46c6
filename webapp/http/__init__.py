"""Habits that all routes share: errors, bodies, headers, paging, limits, and how a request ends."""

from flask import Flask

from webapp.http import browsers, errors, json, rate_limits, requests
from webapp.http.bodies import MAX_BODY_BYTES


def init_app(app: Flask) -> None:
    """Give the routes of `app` these habits."""
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    for habit in (json, errors, requests, browsers, rate_limits):
        habit.init_app(app)
