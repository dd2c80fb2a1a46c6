"""What every peer is told by its environment, and how a peer reads a session from the database on a miss."""

import os
from typing import Any

import psycopg
from psycopg.rows import dict_row

SECRET = os.environ["JWT_SECRET_KEY"]
REDIS_URL = os.environ["REDIS_URL"]
DATABASE_URL = os.environ["DATABASE_URL"]


def session_key(session_id: str) -> str:
    return f"peer:session:{session_id}"


def user_key(user_id: str) -> str:
    return f"peer:user:{user_id}"


def blacklist_key(jti: str) -> str:
    return f"peer:blacklist:{jti}"


def load_session(session_id: str) -> dict[str, Any] | None:
    """Read a session from PostgreSQL, in the form in which it is answered."""
    with psycopg.connect(DATABASE_URL.replace("+psycopg", ""), row_factory=dict_row) as connection:
        row = connection.execute("SELECT * FROM driving_sessions WHERE id = %s", [session_id]).fetchone()
    if row is None:
        return None
    shown = {name: value for name, value in row.items() if name not in ("deleted_at", "closed_at", "last_contact_at")}
    return {name: _shown(value) for name, value in shown.items()}


def _shown(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value if value is None or isinstance(value, int | str | list | dict) else str(value)
