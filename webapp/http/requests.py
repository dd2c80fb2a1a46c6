"""How every request begins and ends: an id, a line in the log, and safe headers on its answer."""

import re
import time
from random import getrandbits

import structlog
from flask import Flask, Response, current_app, g, request

from webapp.config import settings
from webapp.http.browsers import headers_of_every_answer
from webapp.logs import line_form, request_log

STARTED = "webapp.started"
"""Where a server may say in the environ when a request came, as a `time.perf_counter()`: it may have waited since."""

REQUEST_ID = "X-Request-ID"
SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)


def request_id_of(given: str | None) -> str:
    """Return the client's own request id when it is safe to repeat in logs and headers, else a new one."""
    return given if given and SAFE_REQUEST_ID.fullmatch(given) else f"{getrandbits(128):032x}"


class RequestEnd:
    """The end of the requests of one application, whoever answers them. `headers` are those that every answer has."""

    def __init__(self, app: Flask) -> None:
        self._form = line_form(settings(app))
        self.headers = list(headers_of_every_answer(settings(app)).items())

    def note(self, method: str, path: str, status: int, started: float, request_id: str) -> None:
        """Take note of an answer that is ready. `started` is a `time.perf_counter()`."""
        if self._form is not None:
            request_log.add(self._form, method, path, status, started, request_id)


def init_app(app: Flask) -> None:
    """Have every request of `app` begin and end this way."""
    # Of two slashes werkzeug would make one, by a redirect to whatever the Host header says.
    app.url_map.merge_slashes = False
    app.extensions["request_end"] = RequestEnd(app)
    app.before_request(_begin)
    app.after_request(_finish)


def request_end(app: Flask) -> RequestEnd:
    """Return how the requests of an application end."""
    end: RequestEnd = app.extensions["request_end"]
    return end


def _begin() -> None:
    g.started = request.environ.get(STARTED) or time.perf_counter()
    g.request_id = request_id_of(request.headers.get(REQUEST_ID))
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _finish(response: Response) -> Response:
    end = request_end(current_app)
    end.note(request.method, request.path, response.status_code, g.started, g.request_id)
    # Not `setdefault`, which makes an exception of each name that is not there: a tenth of what Flask costs.
    own = {name.lower() for name in response.headers.keys()}  # noqa: SIM118 - what a loop over it yields are pairs
    for name, value in [(REQUEST_ID, g.request_id), *end.headers, ("Cache-Control", "no-store")]:
        if name.lower() not in own:
            response.headers.add(name, value)
    if response.status_code == 204:
        response.headers.remove("Content-Type")
    return response
