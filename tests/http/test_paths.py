"""Paths and methods that are not there, and queries that make no sense: each a 4xx of the one shape, never a 500."""

import base64
from datetime import UTC, datetime
from urllib.parse import unquote_to_bytes
from uuid import uuid4

import pytest

from tests.shared.answers import assert_client_error, assert_problem
from tests.shared.gate import Gate
from webapp.http import paging

PATHS = {
    "nothing": "/",
    "the prefix": "/api/v1",
    "another version": "/api/v2/sessions",
    "no version": "/api/sessions",
    "a slash after": "/api/v1/sessions/",
    "two slashes": "/api/v1//sessions",
    "a host": "//evil.example/api/v1/sessions",
    "dots": "/api/v1/sessions/../admin/users",
    "encoded dots": "/api/v1/sessions/%2e%2e/%2e%2e/etc/passwd",
    "slashes encoded twice": "/api/v1%252Fsessions",
    "a backslash": "/api/v1\\sessions",
    "in capitals": "/API/V1/SESSIONS",
    "a matrix parameter": "/api/v1/sessions;x=1",
    "NUL": "/api/v1/sessions%00",
    "not UTF-8": "/api/v1/sess%ffions",
    "a surrogate": "/api/v1/%ed%a0%80",
    "a line end": "/api/v1/%0d%0aSet-Cookie:%20a=b",
    "a template": "/{{7*7}}",
    "a script": "/<script>alert(1)</script>",
    "10,000 letters": "/" + "a" * 10_000,
    "1,000 parts": "/a" * 1_000,
    "a file of the project": "/wsgi.py",
    "environment": "/.env",
    "a static file": "/static/../.env",
    "metrics of another system": "/actuator/env",
}


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_path_is_a_404(gate: Gate, path: str, method: str) -> None:
    # As a server hands it on: the test client would take what follows two slashes for a host.
    given = {"PATH_INFO": unquote_to_bytes(path).decode("latin-1")}
    headers = {"Authorization": f"Bearer {gate.mallory.tokens['access_token']}"}
    answer = gate.mallory.client.open("/", method=method, headers=headers, environ_overrides=given)
    assert_problem(answer, 404, code="not_found")
    assert "Location" not in answer.headers
    assert "Set-Cookie" not in answer.headers


METHODS = ["TRACE", "CONNECT", "PROPFIND", "LOCK", "PURGE", "FOO", "GET\tX", "\xff", "G" * 1000]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: ascii(method[:10]))
@pytest.mark.parametrize("path", ["/api/v1/sessions", "/api/v1/auth/login", "/health"])
def test_an_unknown_method_is_a_405(gate: Gate, method: str, path: str) -> None:
    answer = gate.mallory.client.open(path, method=method)
    assert_problem(answer, 405)
    assert "GET" in answer.headers["Allow"] or "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_no_header_makes_another_method_of_a_post(gate: Gate, header: str) -> None:
    for path in ("/users/me", gate.paths[1]):
        assert_problem(gate.carol.post(path, headers={header: "DELETE"}), 405)
    gate.opens(gate.carol.tokens["access_token"])


@pytest.mark.parametrize("path", ["/users/me", "/sessions", "/sessions/active", "/auth/logins", "the drive"])
def test_head_answers_as_get_does_without_the_body(gate: Gate, path: str) -> None:
    path = gate.paths[1] if path == "the drive" else path
    for _ in range(2):
        get, head = gate.carol.get(path), gate.carol.call("HEAD", path)
        assert (head.status_code, head.get_data()) == (200, b"")
        for name in ("Content-Type", "Content-Length", "ETag", "Cache-Control"):
            assert head.headers.get(name) == get.headers.get(name)


def test_head_of_a_drive_of_somebody_elses_is_a_404(gate: Gate) -> None:
    assert gate.mallory.call("HEAD", gate.paths[1]).status_code == 404
    assert gate.mallory.call("HEAD", f"/sessions/{uuid4()}").status_code == 404


def forged(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


ID = "01890000-0000-7000-8000-000000000000"
CURSORS = {
    "empty": "",
    "a word": "next",
    "a number": "1",
    "not base64": "!!!!",
    "of base64 with a break in it": forged(b"1." + ID.encode())[:8] + "%0a" + forged(b"1." + ID.encode())[8:],
    "no parts": forged(b"x"),
    "no id": forged(b"1."),
    "no time": forged(f".{ID}".encode()),
    "an id that is none": forged(b"1.x"),
    "a time that is none": forged(f"soon.{ID}".encode()),
    "a time with a fraction": forged(f"1.5.{ID}".encode()),
    "not a number": forged(f"nan.{ID}".encode()),
    "infinity": forged(f"inf.{ID}".encode()),
    "before the year 1": forged(f"{-(10**17)}.{ID}".encode()),
    "after the year 9999": forged(f"{10**18}.{ID}".encode()),
    "a time of 100 digits": forged(f"{'9' * 100}.{ID}".encode()),
    "SQL": forged(f"1.{ID}' OR 1=1 --".encode()),
    "NUL": forged(f"1.{ID}\0".encode()),
    "not UTF-8": forged(b"\xff\xfe"),
    "very long": "A" * 10_000,
    "digits of another script": forged(f"١.{ID}".encode()),
    "beyond ASCII": "é",
    "a surrogate": "%ed%a0%80",
}


@pytest.mark.parametrize("cursor", CURSORS.values(), ids=CURSORS.keys())
def test_a_forged_cursor_is_a_422(gate: Gate, cursor: str) -> None:
    problem = assert_problem(gate.mallory.get(f"/sessions?cursor={cursor}"), 422)
    assert [error["pointer"] for error in problem["errors"]] == ["/cursor"]


def test_a_cursor_of_somebody_elses_list_shows_the_own_list(gate: Gate) -> None:
    cursor = paging.encode(paging.Cursor(datetime(9000, 1, 1, tzinfo=UTC), gate.drive_id))
    answer = gate.mallory.get(f"/sessions?cursor={cursor}")
    assert answer.status_code == 200
    assert {row["user_id"] for row in answer.json["data"]} <= {gate.mallory.id}


@pytest.mark.parametrize(
    "microseconds", [-62_135_596_800_000_000, 253_402_300_799_000_000], ids=["year 1", "year 9999"]
)
def test_a_cursor_at_the_end_of_time_is_a_page(gate: Gate, microseconds: int) -> None:
    cursor = forged(f"{microseconds}.{ID}".encode())
    answer = gate.carol.get(f"/sessions?cursor={cursor}")
    assert answer.status_code == 200
    assert len(answer.json["data"]) == (1 if microseconds > 0 else 0)


QUERIES = {
    "limit 0": "limit=0",
    "limit -1": "limit=-1",
    "limit 101": "limit=101",
    "limit of 5,000 digits": "limit=" + "9" * 5_000,
    "limit with a fraction": "limit=1.5",
    "limit empty": "limit=",
    "limit a word": "limit=all",
    "limit in hexadecimal": "limit=0x10",
    "limit NaN": "limit=NaN",
    "limit with an exponent of a million": "limit=1e1000000",
    "an unknown status": "status=deleted",
    "status with a quote": "status='",
    "a date": "from=2026-01-05",
    "no offset": "from=2026-01-05T08:00:00",
    "a plus that became a space": "from=2026-01-05T08:00:00+01:00",
    "month 13": "to=2026-13-05T08:00:00Z",
    "the year 10000": "to=10000-01-05T08:00:00Z",
    "the year 1": "updated_since=0001-01-01T00:00:00Z",
    "seconds": "updated_since=1767600000",
    "now": "updated_since=now",
    "an unknown filter": "user_id=1",
    "sorting": "sort=-started_at",
    "NUL": "status=%00",
    "not UTF-8": "status=%ff",
    "a list": "status[]=active",
    "an object": "limit[$gt]=1",
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_a_query_that_makes_no_sense_is_a_422(gate: Gate, query: str) -> None:
    problem = assert_problem(gate.mallory.get(f"/sessions?{query}"), 422)
    assert all(error.keys() == {"pointer", "code", "detail"} for error in problem["errors"])


def test_times_at_the_end_of_what_is_allowed_are_a_page(gate: Gate) -> None:
    for query in (
        "from=1970-01-01T00:00:00%2B23:59",
        "to=9998-12-31T23:59:59-23:59",
        "from=2026-12-31T23:59:59.999999999Z",
    ):
        assert gate.mallory.get(f"/sessions?{query}").status_code == 200


ODD_IDS = ["0", "-1", "null", "*", "%00", "..%2f", "' OR 1=1 --", "{id}", "é", "a" * 5_000, "active ", ID.upper() + "x"]


@pytest.mark.parametrize("odd", ODD_IDS, ids=lambda odd: ascii(odd[:20]))
@pytest.mark.parametrize("path", ["/auth/logins/{}", "/admin/users/{}", "/sessions/{}"])
def test_an_odd_id_is_a_4xx(gate: Gate, odd: str, path: str) -> None:
    method = "DELETE" if "admin" not in path else "PATCH"
    assert_client_error(gate.mallory.call(method, path.format(odd), json={"role": "admin"}))
