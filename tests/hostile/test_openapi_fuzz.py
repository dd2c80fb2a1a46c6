"""Requests made by machine out of /openapi.json: no 500, no status and no answer that is not described."""

import warnings
from collections import Counter
from typing import Any

import hypothesis
import pytest
from flask import Flask

from testbed.people import Person
from tests.shared.attacked import MakeApp
from tests.shared.elsewhere import make_admin

EXAMPLES = 10

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Of what the library imports.
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
MODES = {mode.value: mode for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)}


class Caller:
    """An administrator with a drive, who gets new tokens and another drive whenever a request has taken them away."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._accounts = 0
        self._person = self._registered()
        self.other = Person.registered(app, "other@example.com")

    def ready(self) -> dict[str, str]:
        """Return ids to ask for."""
        if self._person.get("/users/me").status_code != 200:
            self._person = self._registered()
        active = self._person.get("/sessions/active")
        drive = active.json if active.status_code == 200 else self._person.starts_a_drive()
        login = self._person.get("/auth/logins").json["data"][0]
        return {"session_id": drive["id"], "login_id": login["id"], "user_id": self.other.id}

    def headers(self, path: str) -> dict[str, str]:
        """Return the token that a path takes."""
        kind = "refresh_token" if path.endswith("/refresh") else "access_token"
        return {"Authorization": f"Bearer {self._person.tokens[kind]}"}

    def _registered(self) -> Person:
        self._accounts += 1
        return make_admin(self._app, Person.registered(self._app, f"admin{self._accounts}@example.com"))


@pytest.fixture
def unlimited(make_app: MakeApp) -> Flask:
    return make_app(ratelimit_enabled=False, max_logins_per_user=1000)


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES.keys())
def test_no_generated_request_gets_an_answer_that_is_not_described(unlimited: Flask, mode: Any) -> None:
    caller, seen = Caller(unlimited), Counter[int]()
    schema = schemathesis.openapi.from_wsgi("/openapi.json", unlimited)

    def holds(case: Any) -> None:
        case.path_parameters.update({name: id for name, id in caller.ready().items() if name in case.path_parameters})
        answer = case.call(headers=caller.headers(case.path))
        seen[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    for found in schema.get_all_operations():
        operation = found.ok()
        if mode is schemathesis.GenerationMode.NEGATIVE and not (operation.body or operation.query):
            continue  # It takes nothing that could be wrong.
        generated = hypothesis.given(case=operation.as_strategy(generation_mode=mode))(holds)
        hypothesis.settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(hypothesis.HealthCheck),
            phases=[hypothesis.Phase.generate],
        )(generated)()
    assert seen[200 if mode is schemathesis.GenerationMode.POSITIVE else 422] > 20
