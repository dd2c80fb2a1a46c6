"""What the API answers is what its description says: status, type and every field, in a story told through HTTP."""

from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from testbed.people import PASSWORD, Person
from tests.contracts.description import PROBLEM, Description

NO_SESSION = "/sessions/01a20696-0000-7000-8000-000000000000"
READING = {"seq": 0, "t": "2026-01-05T08:00:00Z", "speed_mps": 9.5, "lat": 52.5, "lon": 13.4}


class Witness:
    """Somebody who calls, and holds every answer against the description."""

    def __init__(self, person: Person, description: Description) -> None:
        self._person = person
        self._description = description

    def __call__(self, method: str, path: str, status: int, json: Any = None, **headers: str) -> TestResponse:
        """Call, and return an answer that has this status and is as described."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self._person.call(method, path, json=json, headers=named)
        assert answer.status_code == status, answer.get_data(as_text=True)
        self._description.hold_against(method, f"/api/v1{path}", answer)
        return answer


@pytest.fixture
def witness(alice: Person, description: Description) -> Witness:
    return Witness(alice, description)


def test_answers_about_accounts_are_as_described(witness: Witness, alice: Person) -> None:
    bob = {"email": "bob@example.com", "password": PASSWORD, "full_name": "Bob"}
    witness("POST", "/auth/register", 201, bob)
    witness("POST", "/auth/register", 409, bob)
    witness("POST", "/auth/register", 422, {"email": "bob"})
    other = witness("POST", "/auth/login", 200, {"email": alice.email, "password": PASSWORD})
    witness("POST", "/auth/login", 401, {"email": alice.email, "password": "wrong"})
    witness("POST", "/auth/refresh", 200, Authorization=f"Bearer {other.get_json()['refresh_token']}")
    witness("GET", "/users/me", 200)
    witness("PATCH", "/users/me", 200, {"full_name": "Alice A."})
    [login_id] = [
        login["id"] for login in witness("GET", "/auth/logins", 200).get_json()["data"] if not login["current"]
    ]
    witness("DELETE", f"/auth/logins/{login_id}", 204)
    witness("DELETE", f"/auth/logins/{login_id}", 404)
    change = {"current_password": PASSWORD, "new_password": "another horse battery"}
    alice.tokens = witness("PUT", "/users/me/password", 200, change).get_json()
    witness("PUT", "/users/me/password", 403, change)
    witness("GET", "/admin/users", 403)
    witness("POST", "/auth/logout", 204)
    witness("POST", "/auth/logout-all", 401)


def test_answers_about_drives_are_as_described(witness: Witness) -> None:
    witness("GET", "/sessions/active", 404)
    everything = {"name": "To work", "notes": "rain", "tags": ["a"], "vehicle": {"make": "x"}, "device": {"os": "y"}}
    session = witness("POST", "/sessions", 201, {**everything, "started_at": "2026-01-05T08:00:00Z"}).get_json()
    path = f"/sessions/{session['id']}"
    witness("POST", "/sessions", 409, {})
    too_early = {**READING, "seq": 1, "t": "2026-01-04T08:00:00Z"}
    witness("POST", f"{path}/readings", 200, {"readings": [READING, too_early]})
    witness("POST", f"{path}/readings", 422, {"readings": []})
    witness("GET", "/sessions/active", 200)
    witness("PATCH", path, 412, {"name": "Home"}, If_Match='"99"')
    etag = witness("PATCH", path, 200, {"name": "Home"}).headers["ETag"]
    witness("GET", path, 200)
    witness("GET", path, 304, If_None_Match=etag)
    witness("GET", "/sessions", 200)
    witness("POST", f"{path}/end", 200, {"ended_at": "2026-01-05T08:10:00Z"})
    witness("GET", "/sessions?status=completed&limit=1", 200)
    witness("GET", "/sessions?limit=0", 422)
    witness("DELETE", path, 204)
    for call in (("GET", path), ("GET", NO_SESSION), ("DELETE", path)):
        witness(*call, 404)


def test_answers_to_administrators_are_as_described(app: Flask, witness: Witness, alice: Person, bob: Person) -> None:
    assert app.test_cli_runner().invoke(args=["users", "promote", alice.email]).exit_code == 0
    assert witness("GET", "/admin/users?limit=1", 200).get_json()["has_more"]
    witness("PATCH", f"/admin/users/{bob.id}", 200, {"is_active": False})
    witness("PATCH", f"/admin/users/{alice.id}", 409, {"role": "driver"})
    witness("PATCH", "/admin/users/nobody", 404, {"role": "driver"})
    witness("DELETE", "/users/me", 403, {"password": "wrong"})
    witness("DELETE", "/users/me", 204, {"password": PASSWORD})


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
def test_answers_about_health_are_as_described(app: Flask, description: Description, path: str) -> None:
    answer = app.test_client().get(path)
    assert answer.status_code == 200
    description.hold_against("GET", path, answer)


@pytest.mark.parametrize("path", ["/health", "/health/ready"])
def test_an_outage_of_the_database_is_told_as_described(
    described_app: Flask, description: Description, path: str
) -> None:
    answer = described_app.test_client().get(path)
    assert answer.status_code == 503
    description.hold_against("GET", path, answer)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("PUT", "/health", 405), ("GET", "/api/v1/sessions/x/y/z", 404)],
)
def test_what_nobody_described_is_a_problem_too(
    described_app: Flask, description: Description, method: str, path: str, status: int
) -> None:
    answer = described_app.test_client().open(path, method=method)
    assert (answer.status_code, answer.mimetype) == (status, PROBLEM)
    assert answer.get_json()["code"] and answer.get_json()["request_id"] == answer.headers["X-Request-ID"]
