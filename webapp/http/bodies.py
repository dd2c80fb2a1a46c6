"""Reading what a request brings: its body, strictly and from the bytes, its query, and its headers."""

import json
import math
import re
import zlib
from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn, TypeVar

from flask import Request
from pydantic import BaseModel, ConfigDict, ValidationError

from webapp.http.errors import BadRequest, Invalid, TooLarge, UnsupportedMediaType

MAX_BODY_BYTES = 1024 * 1024
"""The largest body that is read, after decompression (contract: 1 MiB)."""

MAX_MEMBERS = 1000
"""The most members that an object may have. To list 100,000 unknown ones as errors would take a second."""

MAX_ERRORS = 100
"""The most errors that one answer lists."""

MAX_DIGITS = 20
ESCAPED_NUL = re.compile(rb"(?<!\\)(\\\\)*\\u0000")

Model = TypeVar("Model", bound="RequestBody")

Headers = TypeVar("Headers", bound="RequestHeaders")

ERROR_CODES = {"missing": "required", "extra_forbidden": "unknown_field"}


class RequestBody(BaseModel):
    """Parent of all request bodies: an unknown field is an error, and so is a value of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)

    max_quotes: ClassVar[int] = 0
    """How many quotes a body may have that `quotes` counts."""

    def quotes(self) -> int:
        """Count the quotes that names and texts take. A text with as many has named nothing twice."""
        return -1


class RequestQuery(BaseModel):
    """Parent of all queries: an unknown parameter is an error."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class RequestHeaders(BaseModel):
    """Parent of the headers that a route heeds. A malformed one is refused (400) with `code` and `detail`.

    `problems` are the statuses of a route that heeds them, and `answers` those that are none.
    """

    code: ClassVar[str] = "bad_request"
    detail: ClassVar[str] = "A header is malformed."
    answers: ClassVar[Mapping[int, None]] = {}
    problems: ClassVar[tuple[int, ...]] = ()


def read_body(request: Request, model: type[Model]) -> Model:
    """Read a JSON body into `model`.

    An empty body is `{}` when the model asks for nothing. Raises 400 (not JSON), 413 (too large), 415 (another type or
    encoding) or 422 (a wrong value).
    """
    raw = _decompressed(request)
    if not raw and not any(field.is_required() for field in model.model_fields.values()):
        raw = b"{}"
    elif request.mimetype != "application/json":
        raise UnsupportedMediaType("The body must be application/json.")
    if body := _plain(raw, model):
        return body
    _refuse_what_json_leaves_open(raw)
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise invalid(error) from None


def _plain(raw: bytes, model: type[Model]) -> Model | None:
    """Read a body of which nothing need be refused, as a look at its bytes tells; None leaves it to a closer look.

    Without a backslash each name and each text takes two quotes, so one that was named twice leaves some over; and a
    number out of bounds fails the validation.
    """
    quotes = raw.count(b'"') if b"\\" not in raw else 0
    if not 0 < quotes <= model.max_quotes:
        return None
    try:
        body = model.model_validate_json(raw)
    except ValidationError:
        return None
    return body if body.quotes() == quotes else None


def read_query(request: Request, model: type[Model]) -> Model:
    """Read the query into `model`. Raises 422."""
    try:
        return model.model_validate(request.args.to_dict())
    except ValidationError as error:
        raise invalid(error) from None


def read_headers(request: Request, model: type[Headers]) -> Headers:
    """Read the headers that `model` names. Raises 400."""
    names = [str(field.alias) for field in model.model_fields.values()]
    try:
        return model.model_validate({name: request.headers[name] for name in names if name in request.headers})
    except ValidationError:
        raise BadRequest(model.detail, code=model.code) from None


def invalid(error: ValidationError) -> Invalid:
    """Translate pydantic's errors: the place as a JSON pointer, a stable code, a sentence. No value is repeated."""
    errors = [
        {
            "pointer": "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in problem["loc"]),
            "code": ERROR_CODES.get(problem["type"], problem["type"]),
            "detail": problem["msg"],
        }
        for problem in error.errors(include_input=False, include_url=False, include_context=False)[:MAX_ERRORS]
    ]
    return Invalid("The request has wrong values.", errors=errors)


def _decompressed(request: Request) -> bytes:
    """Return the body, decompressed, without ever holding more than the limit."""
    raw = request.get_data(cache=True)
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "identity":
        return raw
    if encoding != "gzip":
        raise UnsupportedMediaType("Content-Encoding must be gzip or identity.", headers={"Accept-Encoding": "gzip"})
    decompressor = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        body = decompressor.decompress(raw, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise BadRequest("The body is not valid gzip.", code="malformed_gzip") from error
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge(f"The body is larger than {MAX_BODY_BYTES} bytes after decompression.")
    if not decompressor.eof or decompressor.unused_data:
        raise BadRequest("The body is not one whole gzip member.", code="malformed_gzip")
    return body


def _refuse_what_json_leaves_open(raw: bytes) -> None:
    """Refuse what parsers differ on (the names of the refusals tell), and NUL, which PostgreSQL refuses."""
    try:
        json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_unique_names,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_of_64_bits,
        )
    except (ValueError, RecursionError) as error:
        detail = str(error) if isinstance(error, _AmbiguousJsonError) else "The body is not valid JSON."
        raise BadRequest(detail, code="malformed_json") from None
    if b"\\u0000" in raw and ESCAPED_NUL.search(raw):
        raise BadRequest("The body must not contain the character U+0000.", code="malformed_json")


class _AmbiguousJsonError(ValueError):
    pass


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_MEMBERS:
        raise _AmbiguousJsonError(f"An object has more than {MAX_MEMBERS} members.")
    names = dict(pairs)
    if len(names) != len(pairs):
        raise _AmbiguousJsonError("The body names a member of an object twice.")
    return names


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _AmbiguousJsonError("A number is too large.")
    return number


def _of_64_bits(text: str) -> int:
    if len(text) > MAX_DIGITS or not -(2**63) <= int(text) < 2**64:
        raise _AmbiguousJsonError("A number is too large.")
    return int(text)


def _refuse_constant(_name: str) -> NoReturn:
    raise _AmbiguousJsonError("NaN and Infinity are not JSON.")
