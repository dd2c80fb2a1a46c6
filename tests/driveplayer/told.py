"""A server that answers what it is told, and remembers what it was asked."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from werkzeug import Request, Response


@dataclass
class Asked:
    """A request as it came; `peer` names its connection."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    peer: str


class Told:
    """A WSGI application: each answer is a status, or (status, document), or (status, document, headers).

    An answer of None breaks the connection off.
    """

    def __init__(self, answers: Iterable[Any]) -> None:
        self._answers = iter(answers)
        self.asked: list[Asked] = []
        self.url = ""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer the next request."""
        request = Request(environ)
        peer = f"{environ['REMOTE_ADDR']}:{environ['REMOTE_PORT']}"
        self.asked.append(Asked(request.method, request.path, dict(request.headers), request.get_data(), peer))
        answer = next(self._answers)
        if answer is None:
            environ["werkzeug.socket"].close()
            return []
        status, document, headers = answer if isinstance(answer, tuple) and len(answer) == 3 else (*as_pair(answer), {})
        response = Response(json.dumps(document), status=status, mimetype="application/json")
        response.headers.update(headers)
        return response(environ, start_response)


def as_pair(answer: Any) -> tuple[int, Any]:
    """Return status and document of an answer that may be a status alone."""
    return answer if isinstance(answer, tuple) else (answer, {})


def problem(status: int, code: str, **headers: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return an answer in the contract's form of errors."""
    document = {"status": status, "code": code, "detail": "Told to.", "request_id": "r1"}
    return status, document, {"Content-Type": "application/problem+json", **headers}


@dataclass
class Pauses:
    """Waits for nothing, and remembers for how long it would have."""

    taken: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        """Go on at once."""
        self.taken.append(seconds)
