"""Every route is guarded, or on the list of those that are public on purpose; and every call of the contract exists."""

import pytest
from flask import Flask

from tests.contracts.description import Description, rules

PUBLIC = {
    "POST /api/v1/auth/register",
    "POST /api/v1/auth/login",
    "GET /health",
    "GET /health/live",
    "GET /health/ready",
    "GET /openapi.json",
    "GET /docs",
    "GET /docs/{path:filename}",
}

CONTRACT = """
POST /api/v1/auth/register
POST /api/v1/auth/login
POST /api/v1/auth/refresh
POST /api/v1/auth/logout
POST /api/v1/auth/logout-all
GET /api/v1/auth/logins
DELETE /api/v1/auth/logins/{id}
GET /api/v1/users/me
PATCH /api/v1/users/me
PUT /api/v1/users/me/password
DELETE /api/v1/users/me
GET /api/v1/admin/users
PATCH /api/v1/admin/users/{id}
POST /api/v1/sessions
GET /api/v1/sessions
GET /api/v1/sessions/active
GET /api/v1/sessions/{id}
PATCH /api/v1/sessions/{id}
POST /api/v1/sessions/{id}/end
DELETE /api/v1/sessions/{id}
POST /api/v1/sessions/{id}/readings
GET /health
GET /health/live
GET /health/ready
GET /openapi.json
GET /docs
"""
"""What clients are built against. A call that disappears from here breaks them."""


def test_every_route_is_guarded_or_public_on_purpose(described_app: Flask) -> None:
    unguarded = {f"{method} {path}" for method, path, is_guarded in rules(described_app) if not is_guarded}
    assert unguarded == PUBLIC


@pytest.mark.parametrize("call", CONTRACT.split("\n")[1:-1])
def test_a_call_of_the_contract_exists(described_app: Flask, call: str) -> None:
    method, _, path = call.partition(" ")
    adapter = described_app.url_map.bind("localhost")
    adapter.match(path.replace("{id}", "01a20696-0000-7000-8000-000000000000"), method)


def test_no_call_is_outside_the_contract(described_app: Flask, description: Description) -> None:
    told = {f"{one.method} {one.path}" for one in description.operations()} | {"GET /openapi.json", "GET /docs"}
    renamed = {call.replace("{session_id}", "{id}").replace("{login_id}", "{id}") for call in told}
    assert {call.replace("{user_id}", "{id}") for call in renamed} == set(CONTRACT.split("\n")[1:-1])
