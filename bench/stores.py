"""A Valkey and a PostgreSQL of a benchmark's own, and the application in this process that stands on them."""

import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flask_migrate
import psutil  # type: ignore[import-untyped]
from flask import Flask
from sqlalchemy import text

from bench import rows
from bench.servers import CHECKOUT
from embedded.postgres import Postgres
from embedded.server import Server
from embedded.valkey import Valkey
from webapp import create_app
from webapp.auth import tokens
from webapp.cache import fills, users
from webapp.cache.driving_sessions import SESSIONS
from webapp.cache.redis import Cache, close_redis
from webapp.cache.warming import BATCH
from webapp.config import Settings
from webapp.extensions import db
from webapp.models import Login

TTL_S = 7200
"""How long entries live here, in s: none expires in the middle of a benchmark."""

POSTGRES = {"shared_buffers": "256MB", "max_connections": "60"}


@dataclass(frozen=True)
class Stores:
    """The servers and the application. `environment` is what a web process is told to stand on them, too."""

    valkey: Valkey
    postgres: Postgres
    app: Flask
    folder: Path
    environment: dict[str, str]

    @property
    def cache(self) -> Cache:
        """Return the cache of the application in this process."""
        cache: Cache = self.app.extensions["cache"]
        return cache

    def warm(self, numbers: Sequence[int]) -> int:
        """Fill the cache with these sessions and their drivers. Return how many sessions were filled."""
        filled = 0
        drivers = sorted({rows.driver_of(n) for n in numbers})
        with self.app.app_context():
            for first in range(0, len(drivers), BATCH):
                fills.warm(users.USERS, [rows.user_id(n) for n in drivers[first : first + BATCH]])
            for first in range(0, len(numbers), BATCH):
                filled += fills.warm(SESSIONS, [rows.session_id(n) for n in numbers[first : first + BATCH]])
        return filled

    def vacuum(self) -> None:
        """Have PostgreSQL look at what was inserted, as it would have by itself in time."""
        with self.app.app_context(), db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))

    def tokens_of(self, driver: int) -> dict[str, Any]:
        """Return the tokens of a driver's login."""
        with self.app.test_request_context():
            return tokens.issue(Login(id=rows.login_id(driver), user_id=rows.user_id(driver), generation=1))

    def token_of(self, driver: int) -> str:
        """Return the access token of a driver's login."""
        return str(self.tokens_of(driver)["access_token"])


@contextmanager
def stores(*, core: int | None = None, maxmemory: str = "256mb") -> Iterator[Stores]:
    """Start the servers, pinned to a core if one is named, migrate the database, and stop everything at the end."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        Valkey(config={"maxmemory": maxmemory}) as valkey,
        Postgres(config=POSTGRES) as postgres,
    ):
        for server in (valkey, postgres):
            pin(server, core)
        environment = {
            "APP_ENV": "production",
            "DATABASE_URL": postgres.create_database("bench"),
            "REDIS_URL": valkey.url,
            "JWT_SECRET_KEY": secrets.token_hex(32),
            "VAR_DIR": folder,
            "SESSION_CACHE_TTL": str(TTL_S),
            "ACCESS_TOKEN_EXPIRE_MINUTES": str(TTL_S // 60),
        }
        app = create_app(_settings(environment))
        try:
            with app.app_context():
                flask_migrate.upgrade(directory=str(CHECKOUT / "migrations"))
            yield Stores(valkey, postgres, app, Path(folder), environment)
        finally:
            close_redis(app)
            with app.app_context():
                db.engine.dispose()


def _settings(environment: Mapping[str, str]) -> Settings:
    given: dict[str, Any] = {name.lower(): value for name, value in environment.items()}
    # Nobody reads through this application, so no thread of it watches Redis.
    return Settings(**given, cache_probe_interval_ms=0, log_level="WARNING")


def pin(server: Server, core: int | None) -> None:
    """Keep a server on one core, together with the processes that it starts from now on."""
    if core is not None:
        psutil.Process(server.pid).cpu_affinity([core])
