"""What the database and Redis hold of a thing at the moment when a read of it was found wrong, and what was logged."""

from collections.abc import Iterator
from datetime import datetime

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from testbed.fleet import Fleet
from webapp.auth.cached_users import USERS
from webapp.driving.cached_sessions import SESSIONS

TIMEOUT_S = 2
LOG_LINES = 400
HEADER_LENGTH = 63
ROWS = {
    "session": "SELECT version, name, deleted_at FROM driving_sessions WHERE id = %s",
    "account": "SELECT version, full_name, sessions_version FROM users WHERE id = %s",
}
KEYS = {"session": SESSIONS.key, "account": USERS.key}


class Witness:
    """A look at the row and at the cached entry, after the fact."""

    def __init__(self, fleet: Fleet, database_url: str, redis_url: str) -> None:
        self._fleet = fleet
        self._database_url = database_url.replace("postgresql+psycopg", "postgresql")
        self._redis_url = redis_url

    def look(self, kind: str, id: str) -> str:
        """Return what is there now, for the evidence."""
        return f"the row is now {self._row(kind, id)}, the entry {self._entry(kind, id)}"

    def logged(self, since: datetime) -> Iterator[tuple[str, str]]:
        """Return the time of day, UTC, and the text of what the processes have logged since then."""
        for program in ("web", "worker"):
            for line in self._fleet.log(program).splitlines()[-LOG_LINES:]:
                when, _, text = line.partition(" ")
                if when[:4].isdigit() and when > since.isoformat():
                    yield when[11:23], f"{program}: {text}"

    def _row(self, kind: str, id: str) -> object:
        try:
            with psycopg.connect(self._database_url, connect_timeout=TIMEOUT_S) as connection:
                return connection.execute(ROWS[kind], (id,)).fetchone()
        except psycopg.Error as error:
            return repr(error)

    def _entry(self, kind: str, id: str) -> object:
        options = {"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S, "retry": Retry(NoBackoff(), 0)}
        with redis.Redis.from_url(self._redis_url, decode_responses=True, **options) as client:
            try:
                return client.getrange(KEYS[kind](id), 0, HEADER_LENGTH)
            except redis.RedisError as error:
                return repr(error)
