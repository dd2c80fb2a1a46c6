"""A request as WSGI (PEP 3333) describes it, from what ASGI says of it."""

import io
import sys
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from webapp.door.asgi import Headers, Scope
from webapp.http.requests import STARTED

UNCHANGING: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}
WITHOUT_PREFIX = {"CONTENT_TYPE", "CONTENT_LENGTH"}
FRAMING = {b"content-length", b"transfer-encoding"}
"""What has said how long the body is. It is there as a whole now, and its length is known."""


def environ_of(scope: Scope, body: bytes, length: int, started: float) -> dict[str, Any]:
    """Describe a request with this body. `length` is more than that of `body` when it was too long to be read."""
    authority, path = _target(scope["raw_path"])
    client, server = scope["client"] or ("", 0), scope["server"] or ("", 0)
    environ = {
        **UNCHANGING,
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        STARTED: started,
    }
    _add(environ, scope["headers"])
    if length:
        environ["CONTENT_LENGTH"] = str(length)
    if authority:
        environ["HTTP_HOST"] = authority
    return environ


def _add(environ: dict[str, Any], headers: Headers) -> None:
    for name, value in headers:
        if name not in FRAMING:
            key, text = _key(name), value.decode("latin-1")
            environ[key] = f"{environ[key]},{text}" if key in environ else text


@lru_cache(maxsize=256)  # Clients send a few dozen names, and anybody may invent others.
def _key(name: bytes) -> str:
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in WITHOUT_PREFIX else f"HTTP_{key}"


def _target(raw: bytes) -> tuple[str, bytes]:
    """Return host and path of a request's target. A whole URL (RFC 9112, section 3.2.2) outranks the header Host."""
    path, _, _ = raw.partition(b"#")
    if path[:7].lower() != b"http://" and path[:8].lower() != b"https://":
        return "", path
    authority, slash, rest = path.partition(b"://")[2].partition(b"/")
    return authority.decode("latin-1"), slash + rest or b"/"
