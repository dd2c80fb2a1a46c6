"""GET /openapi.json and GET /docs: the description of the API, and a page to read and try it, with no asset from
outside.
"""

import orjson
from flask import Blueprint, Flask, Response, current_app
from offapi import OpenAPITemplate

from webapp.http.api import openapi_document

blueprint = Blueprint("description", __name__)


def init_description(app: Flask) -> None:
    """Describe the routes of `app`, once and before any thread asks."""
    with app.app_context():
        app.extensions["openapi"] = orjson.dumps(openapi_document(app))


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """Return the OpenAPI document."""
    return Response(current_app.extensions["openapi"], mimetype="application/json")


@blueprint.get("/docs")
def docs() -> Response:
    """Return a page that shows the OpenAPI document."""
    page = OpenAPITemplate.SWAGGER.value.format(spec_url="/openapi.json")
    return Response(page, mimetype="text/html")
