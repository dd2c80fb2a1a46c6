"""A sweep over every route: closed unless it is on the public list, and described in /openapi.json."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from tests.conftest import SECRET
from tests.shared.answers import assert_problem, assert_refused
from tests.shared.gate import Gate
from webapp import create_app
from webapp.config import Settings

PUBLIC = {
    ("POST", "/api/v1/auth/register"),
    ("POST", "/api/v1/auth/login"),
    ("GET", "/health"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/docs/<path:filename>"),
}
UNDESCRIBED = {"/openapi.json", "/docs", "/docs/<path:filename>"}


def rules() -> Iterator[tuple[str, str]]:
    """Every method and rule, of an application that is connected to nothing."""
    settings = Settings(database_url="postgresql://127.0.0.1:1/none", jwt_secret_key=SECRET, cache_probe_interval_ms=0)
    for rule in create_app(settings).url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
            yield method, rule.rule


RULES = sorted(rules(), key=lambda rule: rule[::-1])
PROTECTED = [rule for rule in RULES if rule not in PUBLIC]


def filled(rule: str) -> str:
    """Return a path of a rule, with an id for each of its variables."""
    parts = ("01890000-0000-7000-8000-000000000000" if part.startswith("<") else part for part in rule.split("/"))
    return "/".join(parts)


def named(rule: tuple[str, str]) -> str:
    return " ".join(rule)


def test_the_public_list_has_nothing_that_is_not_there() -> None:
    assert set(RULES) >= PUBLIC


def test_the_sweep_sweeps() -> None:
    assert len(PROTECTED) >= 19


BODIES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a good body": {"json": {}},
    "a malformed body": {"data": b"{", "content_type": "application/json"},
    "a body too large": {"data": b"x" * 2_000_000, "content_type": "application/json"},
    "another media type": {"data": b"x", "content_type": "text/plain"},
}


@pytest.mark.parametrize("rule", PROTECTED, ids=named)
def test_a_route_is_closed_to_who_has_no_token_whatever_comes_with_it(gate: Gate, rule: tuple[str, str]) -> None:
    method, path = rule
    for body in BODIES.values():
        assert_refused(gate.carol.client.open(filled(path), method=method, **body), code="token_missing")
        headers = {"Authorization": "Bearer a.b.c"}
        answer = gate.carol.client.open(filled(path), method=method, headers=headers, **body)
        assert_refused(answer, code="token_invalid")


@pytest.mark.parametrize("rule", [rule for rule in PROTECTED if rule[0] == "GET"], ids=named)
def test_head_is_closed_as_get_is(gate: Gate, rule: tuple[str, str]) -> None:
    assert gate.carol.client.head(filled(rule[1])).status_code == 401


@pytest.mark.parametrize("rule", [rule for rule in PROTECTED if "refresh" not in rule[1]], ids=named)
def test_a_refresh_token_opens_no_route_but_refresh_and_logout(gate: Gate, rule: tuple[str, str]) -> None:
    method, path = rule
    if path == "/api/v1/auth/logout":
        pytest.skip("logout takes either token")
    headers = {"Authorization": f"Bearer {gate.mallory.tokens['refresh_token']}"}
    answer = gate.mallory.client.open(filled(path), method=method, headers=headers, json={})
    assert_refused(answer, code="token_wrong_type")


@pytest.mark.parametrize("rule", [rule for rule in PROTECTED if "/admin/" in rule[1]], ids=named)
def test_a_route_of_administrators_is_closed_to_drivers(gate: Gate, rule: tuple[str, str]) -> None:
    method, path = rule
    headers = {"Authorization": f"Bearer {gate.mallory.tokens['access_token']}"}
    answer = gate.mallory.client.open(filled(path), method=method, headers=headers, json={"role": "admin"})
    assert_problem(answer, 403, code="admin_only")


def trapped(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def view(**_: object) -> None:
        raise AssertionError("a view was run")

    for endpoint in app.view_functions:
        trap: Callable[..., None] = view
        monkeypatch.setitem(app.view_functions, endpoint, trap)


@pytest.mark.parametrize("path", sorted({rule[1] for rule in RULES}))
def test_options_runs_no_view(gate: Gate, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    trapped(gate.app, monkeypatch)
    answer = gate.carol.client.options(filled(path))
    assert (answer.status_code, answer.get_data()) == (200, b"")
    assert "OPTIONS" in answer.headers["Allow"]


@pytest.mark.parametrize("rule", RULES, ids=named)
def test_a_route_is_described_with_its_security(gate: Gate, rule: tuple[str, str]) -> None:
    method, path = rule
    if path in UNDESCRIBED:
        return
    paths = gate.carol.client.get("/openapi.json").json["paths"]
    operation = paths[path.replace("<", "{").replace(">", "}")][method.lower()]
    assert bool(operation.get("security")) == (rule not in PUBLIC)
    if rule not in PUBLIC:
        assert "401" in operation["responses"]


@pytest.mark.parametrize("rule", sorted(PUBLIC), ids=named)
def test_a_public_route_tells_no_version_and_counts_no_users(gate: Gate, rule: tuple[str, str]) -> None:
    answer = gate.carol.client.open(rule[1], method=rule[0], buffered=True)
    assert answer.status_code < 500
    said = str(answer.headers) + (answer.get_data(as_text=True) if "health" in rule[1] else "")
    for word in ("werkzeug", "flask", "python", "postgres", "valkey", "redis_version", "users", gate.app.import_name):
        assert word not in said.lower()
