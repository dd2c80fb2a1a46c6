"""What a refusal must look like, wherever it comes from."""

from typing import Any

from werkzeug.test import TestResponse

PROBLEM_MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}


def assert_problem(answer: TestResponse, *statuses: int, code: str | None = None) -> dict[str, Any]:
    """Hold an answer against the one shape of errors (RFC 9457), and return its members."""
    assert answer.status_code in statuses, (answer.status_code, answer.get_data(as_text=True)[:500])
    assert answer.content_type == "application/problem+json"
    body: dict[str, Any] = answer.json
    assert body.keys() >= PROBLEM_MEMBERS
    assert body["status"] == answer.status_code
    assert body["request_id"] == answer.headers["X-Request-ID"]
    if code is not None:
        assert body["code"] == code
    if answer.status_code == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    if answer.status_code == 503:
        assert int(answer.headers["Retry-After"]) > 0
    return body


def assert_client_error(answer: TestResponse) -> dict[str, Any]:
    """Hold an answer against "whatever you send, it is a 4xx"."""
    return assert_problem(answer, *range(400, 500))


def assert_refused(answer: TestResponse, code: str | None = None) -> None:
    """Hold an answer against "nobody we know is calling"."""
    assert_problem(answer, 401, code=code)


def without_what_differs(answer: TestResponse) -> tuple[int, bytes, list[tuple[str, str]]]:
    """Return status, bytes and headers of an answer without the request id and the date."""
    body = answer.get_data().replace(answer.headers["X-Request-ID"].encode(), b"-")
    headers = [(name, value) for name, value in answer.headers if name not in ("X-Request-ID", "Date")]
    return answer.status_code, body, sorted(headers)
