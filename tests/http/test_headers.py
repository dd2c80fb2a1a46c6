"""Headers that want to be repeated, believed, or to break something."""

import re
from typing import Any

import pytest
from flask import Flask

from testbed.people import PASSWORD, Person
from tests.shared.answers import assert_client_error, assert_problem
from tests.shared.attacked import MakeApp
from tests.shared.gate import Gate
from webapp.logs import request_log

REQUEST_IDS = {
    "empty": "",
    "a space": "a b",
    "a semicolon": "a;b",
    "a script": "<script>",
    "an escape sequence": "\x1b[31mred",
    "NUL": "a\0b",
    "a line end": "a%0d%0aSet-Cookie:%20x=y",
    "a Unicode line end": "a\x85b",
    "beyond ASCII": "é",
    "129 letters": "a" * 129,
    "100,000 letters": "a" * 100_000,
    "JSON": '{"level":"error"}',
    "a lookup": "${jndi:ldap://127.0.0.1/a}",
    "a format": "%s%n{0}",
    "digits of another script": "١٢٣".encode().decode("latin-1"),
}


@pytest.mark.parametrize("request_id", REQUEST_IDS.values(), ids=REQUEST_IDS.keys())
def test_an_unsafe_request_id_is_not_repeated(gate: Gate, capsys: pytest.CaptureFixture[str], request_id: str) -> None:
    for path in ("/users/me", gate.paths[1], "/nowhere"):
        answer = gate.carol.get(path, headers={"X-Request-ID": request_id})
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-ID"])
    request_log.flush()
    assert not request_id or request_id not in capsys.readouterr().err


@pytest.mark.parametrize("request_id", ["a", "A-z_0.9", "a" * 128])
def test_a_safe_request_id_comes_back(gate: Gate, request_id: str) -> None:
    for path in ("/users/me", gate.paths[1], "/nowhere"):
        answer = gate.carol.get(path, headers={"X-Request-ID": request_id})
        assert answer.headers["X-Request-ID"] == request_id


HEADERS: dict[str, dict[str, str]] = {
    "If-None-Match of nothing": {"If-None-Match": ""},
    "If-None-Match unfinished": {"If-None-Match": '"'},
    "If-None-Match of 10,000 tags": {"If-None-Match": ", ".join(f'"{n}x"' for n in range(10_000))},
    "If-None-Match of commas": {"If-None-Match": "," * 10_000},
    "If-None-Match beyond ASCII": {"If-None-Match": '"é"'},
    "If-Modified-Since of nonsense": {"If-Modified-Since": "yesterday"},
    "Range": {"Range": "bytes=0-0"},
    "Range backwards": {"Range": "bytes=9-1"},
    "Accept of another type": {"Accept": "application/xml"},
    "Accept of nonsense": {"Accept": ";q=,,;;*/"},
    "Accept-Encoding of nonsense": {"Accept-Encoding": "rot13;q=2"},
    "Accept-Language of nonsense": {"Accept-Language": "*" * 1000},
    "Host of another": {"Host": "evil.example"},
    "Host of nonsense": {"Host": "evil example:port"},
    "X-Forwarded-Host": {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher"},
    "X-Forwarded-Prefix": {"X-Forwarded-Prefix": "/admin", "X-Original-URL": "/admin", "X-Rewrite-URL": "/admin"},
    "Content-Length of a GET": {"Content-Length": "5"},
    "Content-Type of a GET": {"Content-Type": "application/json; charset=\x00"},
    "Transfer-Encoding": {"Transfer-Encoding": "chunked, chunked"},
    "Cookie of nonsense": {"Cookie": "=;=;\x01=\x02;" * 100},
    "Expect": {"Expect": "200-ok"},
    "Origin": {"Origin": "http://evil.example"},
    "Origin null": {"Origin": "null"},
    "a header of 100 kB": {"X-Long": "x" * 100_000},
}


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS.keys())
def test_an_odd_header_changes_nothing(gate: Gate, headers: dict[str, str]) -> None:
    for path in gate.paths:
        answer = gate.carol.get(path, headers=headers)
        assert answer.status_code == 200
        assert "evil" not in str(answer.headers)
        assert not any(name.startswith("Access-Control") for name, _ in answer.headers)


IF_MATCH = {
    "another version": '"999"',
    "weak": 'W/"1"',
    "a word": '"x"',
    "empty quotes": '""',
    "negative": '"-1"',
    "very long": '"' + "9" * 10_000 + '"',
    "NUL": '"\0"',
}


@pytest.mark.parametrize("if_match", IF_MATCH.values(), ids=IF_MATCH.keys())
def test_a_write_with_another_version_in_if_match_is_a_412(gate: Gate, if_match: str) -> None:
    headers = {"If-Match": if_match}
    before = gate.carol.get(gate.paths[1]).json
    assert_problem(gate.carol.patch(gate.paths[1], json={"name": "new"}, headers=headers), 412)
    assert_problem(gate.carol.post(f"{gate.paths[1]}/end", headers=headers), 412)
    assert_problem(gate.carol.delete(gate.paths[1], headers=headers), 412)
    assert gate.carol.get(gate.paths[1]).json == before


USER_AGENTS = {
    "NUL": "a\0b",
    "control characters": "a\x01\x1b[2Jb",
    "beyond ASCII": "Möbile",
    "very long": "x" * 10_000,
    "empty": "",
    "a script": "<script>alert(1)</script>",
    "not UTF-8": b"\xff\xfe".decode("latin-1"),
    "a token": "Bearer",
}


@pytest.mark.parametrize("agent", USER_AGENTS.values(), ids=USER_AGENTS.keys())
def test_a_login_with_an_odd_user_agent_is_a_login(gate: Gate, agent: str) -> None:
    credentials = {"email": gate.mallory.email, "password": PASSWORD}
    answer = gate.mallory.client.post("/api/v1/auth/login", json=credentials, headers={"User-Agent": agent})
    assert answer.status_code == 200
    listed = gate.mallory.get("/auth/logins", token=answer.json["access_token"]).json["data"]
    (shown,) = (row["user_agent"] for row in listed if row["current"])
    assert shown is None or (len(shown) <= 256 and shown.isprintable())
    assert gate.mallory.post("/auth/logout", token=answer.json["access_token"]).status_code == 204


def test_other_origins_are_told_nothing_unless_they_are_configured(gate: Gate) -> None:
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "GET"}
    answer = gate.carol.client.options("/api/v1/users/me", headers=asked)
    assert not any(name.startswith("Access-Control") for name, _ in answer.headers)


def test_a_configured_origin_is_named_and_no_other(make_app: MakeApp) -> None:
    client = make_app(cors_origins="https://app.example").test_client()
    for origin, allowed in (
        ("https://app.example", True),
        ("https://app.example.evil.example", False),
        ("null", False),
    ):
        answer = client.get("/health/live", headers={"Origin": origin})
        assert answer.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
        assert "Access-Control-Allow-Credentials" not in answer.headers


SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


def test_every_answer_has_the_security_headers(gate: Gate) -> None:
    calls: list[Any] = [
        gate.carol.get("/users/me"),
        gate.carol.get(gate.paths[1]),
        gate.carol.get(gate.paths[1], headers={"If-None-Match": "*"}),
        gate.carol.get("/nowhere"),
        gate.carol.client.get("/api/v1/users/me"),
        gate.carol.client.options("/api/v1/users/me"),
        gate.carol.client.get("/health/live"),
    ]
    for answer in calls:
        assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


KEYS = {
    "empty": "",
    "256 letters": "k" * 256,
    "100,000 letters": "k" * 100_000,
    "NUL": "a\0b",
    "a control character": "a\x1bb",
    "beyond ASCII": "é",
    "a tab": "a\tb",
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_a_malformed_idempotency_key_is_a_400(gate: Gate, key: str) -> None:
    answer = gate.mallory.post("/sessions", json={}, headers={"Idempotency-Key": key})
    assert_problem(answer, 400, code="bad_idempotency_key")
    assert gate.mallory.get("/sessions/active").status_code == 404


def test_an_idempotency_key_with_another_body_is_a_422_and_does_nothing(alice: Person) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = alice.post("/sessions", json={"name": "a"}, headers=headers)
    again = alice.post("/sessions", json={"name": "a"}, headers=headers)
    assert (again.status_code, again.get_data(), again.headers["ETag"]) == (
        201,
        first.get_data(),
        first.headers["ETag"],
    )
    assert_problem(alice.post("/sessions", json={"name": "b"}, headers=headers), 422, code="idempotency_key_reused")
    assert [row["name"] for row in alice.get("/sessions").json["data"]] == ["a"]


def test_an_idempotency_key_is_everybodys_own(alice: Person, bob: Person) -> None:
    headers = {"Idempotency-Key": "k1"}
    hers, his = (person.post("/sessions", json={}, headers=headers).json for person in (alice, bob))
    assert hers["id"] != his["id"]
    assert his["user_id"] == bob.id


def test_a_refused_request_uses_no_idempotency_key_up(alice: Person) -> None:
    headers = {"Idempotency-Key": "k1"}
    assert_client_error(alice.post("/sessions", json={"nmae": "a"}, headers=headers))
    assert alice.post("/sessions", json={"name": "a"}, headers=headers).status_code == 201


def test_a_server_behind_no_proxy_believes_no_forwarded_address(app: Flask, alice: Person) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    credentials = {"email": alice.email, "password": PASSWORD}
    answer = alice.client.post("/api/v1/auth/login", json=credentials, headers=headers)
    listed = alice.get("/auth/logins", token=answer.json["access_token"]).json["data"]
    assert {row["ip"] for row in listed} == {"127.0.0.1"}


def test_a_server_behind_one_proxy_believes_the_last_address_only(alice: Person, make_app: MakeApp) -> None:
    client = make_app(trusted_proxy_hops=1).test_client()
    credentials = {"email": alice.email, "password": PASSWORD}
    headers = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9"}
    answer = client.post("/api/v1/auth/login", json=credentials, headers=headers)
    listed = alice.get("/auth/logins", token=answer.json["access_token"]).json["data"]
    assert "203.0.113.9" in {row["ip"] for row in listed}
    assert "198.51.100.1" not in {row["ip"] for row in listed}
