"""Validation and the OpenAPI description, from one declaration per route.

spectree collects the declarations. Its own reading of requests turns malformed JSON into `{}`, so ours is put in its
place.
"""

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any

from flask import Flask
from pydantic import BaseModel, ConfigDict, Field
from spectree import Response as Responses
from spectree import SecurityScheme, SpecTree
from spectree.models import SecureType, SecuritySchemeData
from spectree.plugins.base import Context
from spectree.plugins.flask_plugin import FlaskPlugin

from webapp.http.bodies import MAX_BODY_BYTES, read_body, read_headers, read_query
from webapp.http.conditional import VersionedDocument

ETAG = {"description": "The version, for If-None-Match and If-Match.", "schema": {"type": "string"}}
LOCATION = {"description": "Where it is.", "schema": {"type": "string"}}
BEARER: list[dict[str, list[str]]] = [{"bearer": []}]
PUBLIC: list[dict[str, list[str]]] = []


class ProblemDocument(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(title="Problem", extra="allow")

    type: str
    title: str
    status: int
    detail: str | None = None
    code: str = Field(description="Stable, in snake_case: what a program decides by.")
    request_id: str | None
    errors: list[dict[str, str]] | None = Field(
        None, description="Of a 422: pointer, code and detail of each wrong value."
    )


class StrictPlugin(FlaskPlugin):
    """Reads bodies strictly, raises our errors, and leaves responses as they are."""

    def request_validation(self, request: Any, query: Any, json: Any, form: Any, headers: Any, cookies: Any) -> None:
        request.context = Context(
            read_query(request, query) if query else None,
            read_body(request, json) if json else None,
            None,
            read_headers(request, headers) if headers else None,
            None,
        )

    def validate_response(
        self, resp: Any, resp_model: Any, skip_validation: bool, force_resp_serialize: bool
    ) -> tuple[Any, None]:
        return resp, None


def schema_name(model_name: str) -> str:
    """Name the schema of a model: plainly."""
    return model_name.removesuffix("Document")


def _ignore(*_args: Any) -> None:
    """Do nothing before and after validation: errors are raised, and logged where they are translated."""


api = SpecTree(
    backend=StrictPlugin,
    mode="strict",
    annotations=True,
    title="Driving sessions",
    version="1",
    description="Records drives: log in, start a drive, upload its readings, end it, read it back.",
    security_schemes=[
        SecurityScheme(
            name="bearer", data=SecuritySchemeData(type=SecureType.HTTP, scheme="bearer", bearer_format="JWT")
        )
    ],
    before=_ignore,
    after=_ignore,
    validation_error_model=ProblemDocument,
    naming_strategy=lambda model: schema_name(model.__name__),
    nested_naming_strategy=lambda _parent, child: schema_name(child),
)


def describe(
    view: Callable[..., Any],
    answers: Mapping[int, Any],
    problems: Iterable[int],
    *,
    security: list[dict[str, list[str]]],
    tag: str,
) -> Callable[..., Any]:
    """Describe a view: a model (or None) for each status of its answers, the statuses of its problems, and what it
    takes as `json`, `query` and `headers`. Returns the view that gets these validated.
    """
    told: dict[str, Any] = {f"HTTP_{status}": ProblemDocument for status in (*problems, 422, 429, 503)}
    told |= {f"HTTP_{status}": model for status, model in answers.items()}
    described = api.validate(resp=Responses(**told), security=security, tags=(tag,), operation_id=view.__name__)
    called: Callable[..., Any] = described(view)
    return called


def openapi_document(app: Flask) -> dict[str, Any]:
    """Describe every declared route of `app`."""
    with app.app_context():
        described = api.spec
    document: dict[str, Any] = deepcopy(described)  # spectree makes it once: a second time it leaves nested models out.
    for methods in document["paths"].values():
        for operation in methods.values():
            _say_what_spectree_does_not(operation, document["components"]["schemas"])
    return document


def _say_what_spectree_does_not(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    versioned = {schema_name(model.__name__) for model in VersionedDocument.__subclasses__()}
    for status, response in operation["responses"].items():
        for content in list(response.get("content", {}).values()):
            if content["schema"]["$ref"].endswith("/Problem"):
                response["content"] = {"application/problem+json": content}
            if content["schema"]["$ref"].rpartition("/")[2] in versioned:
                response["headers"] = {"ETag": ETAG} | ({"Location": LOCATION} if status == "201" else {})
    body = operation.get("requestBody")
    if body:
        name = body["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[-1]
        body["required"] = bool(schemas[name].get("required"))
        body["description"] = f"At most {MAX_BODY_BYTES} bytes after decompression; Content-Encoding gzip is accepted."
