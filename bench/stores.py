"""A Valkey and a PostgreSQL of a benchmark's own, and the application in this process that stands on them."""

import secrets
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import urlsplit

import flask_migrate
import psutil  # type: ignore[import-untyped]
import psycopg
from flask import Flask
from redis import RedisError

from bench import rows
from bench.cpu import cpu_us
from bench.servers import CHECKOUT
from embedded.postgres import Postgres
from embedded.server import Server
from embedded.valkey import Valkey
from webapp import create_app
from webapp.auth import tokens
from webapp.auth.cached_users import USERS
from webapp.cache import fills
from webapp.cache.entries import PENDING_TTL_MS
from webapp.cache.kinds import Kind
from webapp.cache.redis import Cache, close_redis
from webapp.config import Settings
from webapp.database import db
from webapp.driving.cached_sessions import SESSIONS
from webapp.models import Login

TTL_S = 7200
"""How long entries live here, in s: none expires in the middle of a benchmark."""

BATCH = 200
SOCKET = "valkey.sock"
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

    @property
    def socket_url(self) -> str:
        """Return the URL of Valkey over a unix socket."""
        return f"unix://:{urlsplit(self.valkey.url).password or ''}@{self.folder}/{SOCKET}?db=0"

    def cpu_us(self) -> float:
        """Return the CPU time that both servers have used so far, in µs."""
        return cpu_us(self.valkey.pid) + cpu_us(self.postgres.pid)

    def warm(self, numbers: Sequence[int]) -> int:
        """Fill the cache with these sessions and their drivers. Return how many sessions were filled."""
        with self.app.app_context():
            self._fill(USERS, [rows.user_id(d) for d in sorted({rows.driver_of(n) for n in numbers})])
            return self._fill(SESSIONS, [rows.session_id(n) for n in numbers])

    def _fill(self, kind: Kind, ids: Sequence[str]) -> int:
        filled = 0
        for first in range(0, len(ids), BATCH):
            batch = ids[first : first + BATCH]
            try:
                filled += fills.fill_many(kind, batch)
            except RedisError:
                # On a machine that others keep busy a batch may take longer than a command may. Its leases expire.
                time.sleep(PENDING_TTL_MS / 1000)
                filled += fills.fill_many(kind, batch)
        return filled

    def administer(self, statement: LiteralString) -> None:
        """Run a statement on a connection of its own, without the application's time limits."""
        url = self.environment["DATABASE_URL"].replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement)

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
        Valkey(config={"maxmemory": maxmemory, "unixsocket": f"{folder}/{SOCKET}"}) as valkey,
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
                app.extensions["cache"].trust.settle()  # Who fills must know which servers these are.
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
