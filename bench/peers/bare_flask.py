"""The yardstick: a Flask route that returns the same bytes and does nothing else. No token, no cache, no database.

With HEADERS_FILE it also sends the headers that our answers have.
"""

import json
import os
from pathlib import Path

from flask import Flask, Response

BODY = Path(os.environ["BODY_FILE"]).read_bytes()
LIST = Path(os.environ["LIST_FILE"]).read_bytes()

HEADERS = json.loads(Path(os.environ["HEADERS_FILE"]).read_text()) if "HEADERS_FILE" in os.environ else {}

app = Flask(__name__, static_folder=None)


@app.get("/api/v1/sessions/<session_id>")
def get_session(session_id: str) -> Response:
    return Response(BODY, mimetype="application/json", headers=HEADERS)


@app.get("/api/v1/sessions")
def list_sessions() -> Response:
    return Response(LIST, mimetype="application/json")
