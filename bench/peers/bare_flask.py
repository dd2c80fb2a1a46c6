"""The yardstick: a Flask route that returns the same bytes and does nothing else. No token, no cache, no database."""

import os
from pathlib import Path

from flask import Flask, Response

BODY = Path(os.environ["BODY_FILE"]).read_bytes()
LIST = Path(os.environ["LIST_FILE"]).read_bytes()

app = Flask(__name__, static_folder=None)


@app.get("/api/v1/sessions/<session_id>")
def get_session(session_id: str) -> Response:
    return Response(BODY, mimetype="application/json")


@app.get("/api/v1/sessions")
def list_sessions() -> Response:
    return Response(LIST, mimetype="application/json")
