"""Requests as they are written, and what a refusal must look like on a socket."""

import json

from testbed.raw import RawAnswer

LIVE = b"GET /health/live HTTP/1.1\r\nHost: a\r\n"
CLOSE = b"Connection: close\r\n\r\n"
POST = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


def assert_raw_problem(answer: RawAnswer, status: int) -> None:
    assert answer.status == status, (answer.status, answer.body)
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = json.loads(answer.body)
    assert (problem["status"], problem["request_id"]) == (status, answer.headers["X-Request-ID"])
    assert problem["code"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
