"""GET /openapi.json and GET /docs: the description of the API, and a page to read and try it, with no asset from
outside.
"""

import orjson
from flask import Blueprint, Response, current_app
from offapi import OpenAPITemplate

from webapp.http.api import openapi_document

blueprint = Blueprint("description", __name__)


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """Return the OpenAPI document."""
    return Response(orjson.dumps(openapi_document(current_app)), mimetype="application/json")


@blueprint.get("/docs")
def docs() -> Response:
    """Return a page that shows the OpenAPI document."""
    page = OpenAPITemplate.SWAGGER.value.format(spec_url="/openapi.json")
    return Response(page, mimetype="text/html")
