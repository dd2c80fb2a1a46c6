"""Errors: one tree, and one shape on the wire, `application/problem+json` (RFC 9457). Raised low, translated once."""

from http import HTTPStatus
from typing import Any, TypeVar

import orjson
import structlog
from flask import Flask, Response, g, has_request_context
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException

log = structlog.get_logger(__name__)

AT_THE_SAME_TIME = "Another request changed this at the same time. Try again."
PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_S = 2
"""What an outage asks of clients, in s."""


class Problem(Exception):
    """An answer that is an error. Subclasses name status and code; an instance adds what is particular."""

    status = 400
    code = "bad_request"
    detail: str | None = None
    stands = False
    """Whether what was noted before the refusal stands: the route then commits it before it answers."""

    def __init__(
        self,
        detail: str | None = None,
        *,
        code: str | None = None,
        headers: dict[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail or self.detail)
        self.detail = detail or self.detail
        self.code = code or self.code
        self.headers = headers or {}
        self.members = members


Refusal = TypeVar("Refusal", bound=Problem)


class BadRequest(Problem):
    """The request cannot be understood."""


class Unauthorized(Problem):
    """Nobody we know is calling. `reason` becomes the challenge's error code (RFC 6750, section 3.1)."""

    status, code = 401, "unauthorized"

    def __init__(self, detail: str, *, code: str = "unauthorized", reason: str = "invalid_token") -> None:
        challenge = "Bearer" if reason == "" else f'Bearer error="{reason}"'
        super().__init__(detail, code=code, headers={"WWW-Authenticate": challenge})


class Forbidden(Problem):
    """The caller is known and may not do this."""

    status, code = 403, "forbidden"


class NotFound(Problem):
    """There is no such thing, or it is somebody else's."""

    status, code = 404, "not_found"


class RequestTimeout(Problem):
    """The request did not come to its end in time."""

    status, code, detail = 408, "request_timeout", "The request did not come to its end in time."


class Conflict(Problem):
    """The request does not fit the state of the resource."""

    status, code = 409, "conflict"


class PreconditionFailed(Problem):
    """If-Match names another version."""

    status, code = 412, "version_mismatch"


class TooLarge(Problem):
    """The body is larger than is read."""

    status, code = 413, "body_too_large"


class UnsupportedMediaType(Problem):
    """The body is of a type or encoding that is not read."""

    status, code = 415, "unsupported_media_type"


class Invalid(Problem):
    """The body was read, and a value in it is wrong: `errors` lists `{pointer, code, detail}`."""

    status, code = 422, "validation_failed"


class Unavailable(Problem):
    """A dependency that is needed is away."""

    status, code = 503, "service_unavailable"

    def __init__(self, detail: str = "The service is temporarily unavailable. Try again.") -> None:
        super().__init__(detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def standing(problem: Refusal) -> Refusal:
    """Have what was noted in the present transaction committed before this refusal is answered."""
    problem.stands = True
    return problem


def field_error(pointer: str, code: str, detail: str) -> Invalid:
    """Make the error of one wrong field; `pointer` is a JSON pointer (RFC 6901)."""
    return Invalid("The request has a wrong value.", errors=[{"pointer": pointer, "code": code, "detail": detail}])


def code_of(status: int) -> str:
    """Return the code of a problem of which no more than its status is known."""
    if status == TooLarge.status:
        return TooLarge.code
    return HTTPStatus(status).phrase.lower().replace(" ", "_").replace("-", "_")


def problem_body(status: int, code: str, detail: str | None, request_id: str | None, **members: Any) -> bytes:
    """Write the one shape that every error has."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
        **members,
    }
    return orjson.dumps(body)


def problem_response(
    status: int, code: str, detail: str | None, headers: dict[str, str] | None = None, **members: Any
) -> Response:
    """Make the answer that is an error."""
    request_id = g.get("request_id") if has_request_context() else None
    body = problem_body(status, code, detail, request_id, **members)
    response = Response(body, status=status, content_type=PROBLEM_JSON)
    response.headers.update(headers or {})
    return response


def init_app(app: Flask) -> None:
    """Translate every exception that leaves a view into a problem."""
    app.register_error_handler(Problem, _on_problem)
    app.register_error_handler(HTTPException, _on_http_exception)
    app.register_error_handler(DBAPIError, _on_database_error)
    app.register_error_handler(PoolTimeout, _on_outage)
    app.register_error_handler(StaleDataError, _on_lost_update)
    app.register_error_handler(Exception, _on_defect)


def _on_problem(problem: Problem) -> Response:
    return problem_response(problem.status, problem.code, problem.detail, problem.headers, **problem.members)


def _on_http_exception(error: HTTPException) -> Response:
    status = error.code or 500
    kept = {name: value for name, value in error.get_response().headers.items() if name in ("Allow", "Retry-After")}
    return problem_response(status, code_of(status), error.description, kept)


def _on_database_error(error: DBAPIError) -> Response:
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return _on_outage(error)
    if isinstance(error, IntegrityError):
        # Two requests raced for a unique value; who lost will, on repeating, be told what it met.
        log.warning("integrity_error", error=str(error.orig))
        return _on_problem(Conflict(AT_THE_SAME_TIME))
    return _on_defect(error)


def _on_outage(error: Exception) -> Response:
    log.error("database_unavailable", error=type(error).__name__, detail=str(getattr(error, "orig", error)))
    return _on_problem(Unavailable())


def _on_lost_update(error: StaleDataError) -> Response:
    log.warning("lost_update", error=str(error))
    return _on_problem(Conflict(AT_THE_SAME_TIME))


def _on_defect(error: Exception) -> Response:
    log.exception("unexpected_error", exc_info=error)
    return problem_response(500, "internal_error", "Something went wrong on our side.")
