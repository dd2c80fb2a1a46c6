"""JSON out: orjson, which also refuses what is no JSON instead of writing it."""

from typing import Any

import orjson
from flask.json.provider import JSONProvider


class OrjsonProvider(JSONProvider):
    """Flask's JSON by orjson: `jsonify` and `request.get_json` go through it."""

    def dumps(self, obj: Any, **_: Any) -> str:
        """Write an object as JSON text."""
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        """Read JSON text."""
        return orjson.loads(s)
