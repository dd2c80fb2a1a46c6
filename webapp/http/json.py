"""JSON out: orjson, which also refuses what is no JSON instead of writing it, and documents by their shapes."""

from datetime import datetime
from typing import Any

import orjson
from flask import Flask
from flask.json.provider import JSONProvider
from pydantic import BaseModel

from webapp.clock import rfc3339


class OrjsonProvider(JSONProvider):
    """Flask's JSON by orjson: `jsonify` and `request.get_json` go through it."""

    def dumps(self, obj: Any, **_: Any) -> str:
        """Write an object as JSON text."""
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        """Read JSON text."""
        return orjson.loads(s)


def init_app(app: Flask) -> None:
    """Have `app` write and read JSON by orjson."""
    app.json = OrjsonProvider(app)


def document(shape: type[BaseModel], source: Any, **other: Any) -> dict[str, Any]:
    """Return a document with the fields of `shape`: those of an object or a row by the same names, and `other` ones."""
    return {name: other[name] if name in other else _written(getattr(source, name)) for name in shape.model_fields}


def _written(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, datetime) else value
