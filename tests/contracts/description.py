"""The OpenAPI document, what it says of an answer, and the routes that it is to describe."""

import copy
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import jsonschema_rs
from flask import Flask
from werkzeug.test import TestResponse

PROBLEM = "application/problem+json"
BODILESS = (204, 304)
IMPLIED_METHODS = {"HEAD", "OPTIONS"}


class Operation(NamedTuple):
    """One method of one path."""

    method: str
    path: str
    told: dict[str, Any]

    @property
    def name(self) -> str:
        """Name it as the contract does."""
        return f"{self.method} {self.path}"

    @property
    def statuses(self) -> set[int]:
        """Return the statuses that it may answer."""
        return {int(status) for status in self.told["responses"]}


class Description:
    """An OpenAPI document that answers can be held against."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._components = {"schemas": _closed(document["components"]["schemas"])}

    def operations(self) -> Iterator[Operation]:
        """Return every operation."""
        for path, methods in self.document["paths"].items():
            for method, told in methods.items():
                yield Operation(method.upper(), path, told)

    def operation(self, method: str, path: str) -> Operation:
        """Return the operation that answers a request; a path without a placeholder is preferred."""
        path = path.partition("?")[0]
        found = [one for one in self.operations() if one.method == method and _matches(one.path, path)]
        assert found, f"{method} {path} is not described"
        return min(found, key=lambda one: one.path.count("{"))

    def hold_against(self, method: str, path: str, answer: TestResponse) -> None:
        """Assert that an answer is one that the document foretells: its status, its type, and every field of it."""
        operation = self.operation(method, path)
        assert answer.status_code in operation.statuses, f"{operation.name} answers {answer.status_code}, untold"
        content = operation.told["responses"][str(answer.status_code)].get("content", {})
        if answer.status_code in BODILESS:
            assert (content, answer.data) == ({}, b"")
            return
        assert list(content) == [answer.mimetype], operation.name
        schema = {**content[answer.mimetype]["schema"], "components": self._components}
        jsonschema_rs.validator_for(schema, validate_formats=True).validate(answer.get_json())


def rules(app: Flask) -> Iterator[tuple[str, str, bool]]:
    """Return method, path in OpenAPI's spelling, and whether it is guarded, of every route."""
    for rule in app.url_map.iter_rules():
        path = rule.rule.replace("<", "{").replace(">", "}")
        is_guarded = getattr(app.view_functions[rule.endpoint], "is_guarded", False)
        yield from ((method, path, is_guarded) for method in (rule.methods or set()) - IMPLIED_METHODS)


def _matches(template: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) is not None


def _closed(schemas: dict[str, Any]) -> dict[str, Any]:
    """Forbid, in a copy, what a schema does not name: an answer must not have fields that nobody told."""
    closed = copy.deepcopy(schemas)
    for schema in closed.values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return closed
