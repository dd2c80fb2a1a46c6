"""The description of the API, and a page to read and try it, with no asset from outside."""

import orjson
from flask import Blueprint, Flask, Response, current_app

from webapp.http.api import openapi_document

blueprint = Blueprint("description", __name__, static_folder="swagger_ui", static_url_path="/docs")

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page runs our scripts, and loads nothing from anywhere else."""


def init_app(app: Flask) -> None:
    """Describe the routes of `app`, once and before any thread asks."""
    app.extensions["openapi"] = orjson.dumps(openapi_document(app))


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """Return the OpenAPI document."""
    return Response(current_app.extensions["openapi"], mimetype="application/json")


@blueprint.get("/docs")
def docs() -> Response:
    """Return a page that shows the OpenAPI document."""
    page = blueprint.send_static_file("index.html")
    page.headers["Content-Security-Policy"] = PAGE_POLICY
    return page
