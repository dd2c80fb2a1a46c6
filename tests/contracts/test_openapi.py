"""GET /openapi.json: a valid document, and a true one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
from flask import Flask

from tests.contracts.description import PROBLEM, Description, rules

SPECIFICATION = Path(__file__).with_name("openapi-3.1.schema.json")
"""The OpenAPI Initiative's own schema, https://spec.openapis.org/oas/3.1/schema/2022-10-07."""

UNDESCRIBED = {"/openapi.json", "/docs", "/docs/{path:filename}"}
"""The description itself, the page that shows it, and the page's scripts and styles."""

BEARER, PUBLIC = [{"bearer": []}], []  # type: ignore[var-annotated]


def references(part: Any) -> Iterator[str]:
    """Return every $ref below a part of the document."""
    if isinstance(part, dict):
        yield from ([part["$ref"]] if "$ref" in part else [])
        part = list(part.values())
    for inner in part if isinstance(part, list) else []:
        yield from references(inner)


def test_the_document_is_valid(description: Description) -> None:
    specification = json.loads(SPECIFICATION.read_text(encoding="utf-8"))
    jsonschema_rs.validator_for(specification).validate(description.document)


def test_the_document_is_the_same_each_time_it_is_read(described_app: Flask) -> None:
    first, second = (described_app.test_client().get("/openapi.json").get_json() for _ in range(2))
    assert set(references(second)) <= {f"#/components/schemas/{name}" for name in second["components"]["schemas"]}
    assert second == first


def test_every_schema_is_valid(description: Description) -> None:
    for schema in description.document["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)


def test_every_reference_leads_somewhere(description: Description) -> None:
    schemas = {f"#/components/schemas/{name}" for name in description.document["components"]["schemas"]}
    found = set(references(description.document))
    assert "#/components/schemas/Session" in found
    assert found <= schemas


def test_every_operation_has_an_id_a_summary_and_a_tag_of_its_own(description: Description) -> None:
    operations = list(description.operations())
    assert len({one.told["operationId"] for one in operations}) == len(operations)
    assert [one.name for one in operations if not (one.told.get("summary") and one.told.get("tags"))] == []


def test_every_route_is_described_and_every_description_has_its_route(
    described_app: Flask, description: Description
) -> None:
    routed = {(method, path) for method, path, _ in rules(described_app) if path not in UNDESCRIBED}
    assert routed == {(one.method, one.path) for one in description.operations()}


def test_what_is_guarded_says_so(described_app: Flask, description: Description) -> None:
    for method, path, is_guarded in rules(described_app):
        if path not in UNDESCRIBED:
            operation = description.operation(method, path)
            assert operation.told["security"] == (BEARER if is_guarded else PUBLIC), operation.name


def test_what_may_go_wrong_is_told(description: Description) -> None:
    for operation in description.operations():
        expected = {401} if operation.told["security"] else set()
        if operation.path.startswith("/api/"):
            expected |= {503}
        if "{" in operation.path:
            expected |= {404}
        if "requestBody" in operation.told:
            expected |= {400, 413, 415, 422}
        if "/admin/" in operation.path:
            expected |= {403}
        assert expected <= operation.statuses, operation.name


def test_every_error_of_the_api_is_a_problem(description: Description) -> None:
    for operation in description.operations():
        errors = {status for status in operation.statuses if status >= 400}
        told = {tuple(operation.told["responses"][str(status)]["content"]) for status in errors}
        assert told <= {(PROBLEM,)} or operation.path.startswith("/health"), operation.name


def test_every_operation_tells_how_it_succeeds(description: Description) -> None:
    for operation in description.operations():
        for status in (status for status in operation.statuses if status < 400):
            content = operation.told["responses"][str(status)].get("content")
            assert bool(content) == (status not in (204, 304)), operation.name
        assert min(operation.statuses) < 300, operation.name
