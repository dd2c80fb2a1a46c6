"""What every request gets: an id, a line in the log, and safe headers on its answer."""

import re
import time
from random import getrandbits

import structlog
from flask import Flask, Response, g, request

from webapp.logs import request_log

SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)


def request_id_of(given: str | None) -> str:
    """Return the client's own request id when it is safe to repeat in logs and headers, else a new one."""
    return given if given and SAFE_REQUEST_ID.fullmatch(given) else f"{getrandbits(128):032x}"


def register_request_hooks(app: Flask) -> None:
    """Give every request of `app` its id, its log line and its headers."""
    # Of two slashes werkzeug would make one, by a redirect to whatever the Host header says.
    app.url_map.merge_slashes = False
    app.before_request(_begin)
    app.after_request(_finish)


def _begin() -> None:
    g.started = time.perf_counter()
    g.request_id = request_id_of(request.headers.get("X-Request-ID"))
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _finish(response: Response) -> Response:
    response.headers["X-Request-ID"] = g.request_id
    response.headers.setdefault("Cache-Control", "no-store")
    if response.status_code == 204:
        response.headers.remove("Content-Type")
    request_log.add(request.method, request.path, response.status_code, g.started, g.request_id)
    return response
