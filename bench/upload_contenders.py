"""Who takes part in the benchmark of the upload: each with a database and a part of Valkey of its own."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from redis import Redis
from sqlalchemy import create_engine

from bench import rows
from bench.contenders import our_program, peer_token, seed_peer_user
from bench.released import FIRST_STAGE, released
from bench.servers import PEERS, Program
from bench.stores import Stores

OURS, OLD = "ours", FIRST_STAGE
FLOOR = "raw WSGI, psycopg and orjson: the floor"
PEERS_OF_UPLOADS = {
    FLOOR: ("gunicorn", "raw_uploads"),
    "FastAPI, async SQLAlchemy": ("uvicorn", "fastapi_uploads"),
    "Flask, SQLAlchemy": ("gunicorn", "flask_uploads"),
    "Django, DRF": ("gunicorn", "django_uploads"),
}

NO_LIMIT = {"RATELIMIT_READINGS_PER_ACCOUNT": "100000000/day"}
"""One driver uploads more in a slice than a day allows. What it costs to count is measured."""


@dataclass(frozen=True)
class Contender:
    """A server, where it keeps readings, how it knows a driver, and the tables that count as theirs."""

    name: str
    program: Program
    token: Callable[[int], str]
    tables: Sequence[str] = ("readings",)
    is_peer: bool = True

    @property
    def database(self) -> str:
        """Return the URL of its database, as SQLAlchemy takes it."""
        return self.program.environment["DATABASE_URL"]

    def insert_drives(self, drivers: Sequence[int]) -> None:
        """Let each of these drivers begin a drive."""
        engine = create_engine(self.database)
        rows.insert_drives(engine, drivers)
        engine.dispose()
        if self.is_peer:
            with Redis.from_url(self.program.environment["REDIS_URL"]) as client:
                for driver in drivers:
                    seed_peer_user(client, driver)

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Open a connection to its database; each statement is a transaction."""
        return psycopg.connect(self.database.replace("+psycopg", ""), autocommit=True)

    def readings(self) -> int:
        """Return how many readings its drives say they have."""
        with self.connect() as connection:
            found = connection.execute("SELECT coalesce(sum(readings_count), 0) FROM driving_sessions").fetchone()
        return int(found[0]) if found else 0

    def stored_bytes(self) -> int:
        """Return what its tables of readings take, keys and indexes included, and without what was deleted."""
        total = 0
        with self.connect() as connection:
            for table in self.tables:
                connection.execute(sql.SQL("VACUUM FULL {}").format(sql.Identifier(table)))
                size = connection.execute("SELECT pg_total_relation_size(%s::regclass)", (table,)).fetchone()
                total += size[0] if size else 0
        return total


@dataclass(frozen=True)
class Field:
    """Makes the contenders on one pair of stores, and their databases."""

    stores: Stores
    peers_python: Path

    def contenders(self, only: Sequence[str]) -> list[Contender]:
        """Return ourselves, the floor and, of the others, those whose names have one of these parts; or all."""
        makers = {OURS: self._ours, OLD: self._old, **dict.fromkeys(PEERS_OF_UPLOADS, self._peer)}
        wanted = [name for name in makers if not only or name in (OURS, FLOOR) or any(part in name for part in only)]
        return [makers[name](name, number) for number, name in enumerate(wanted)]

    def _environment(self, number: int) -> dict[str, str]:
        """Return what one contender is told; ours, the first, has the stores that the application here stands on."""
        given = self.stores.environment
        if number == 0:
            return {**given}
        url = self.stores.postgres.create_database(f"uploads_{number}")
        return {**given, "DATABASE_URL": url, "REDIS_URL": given["REDIS_URL"].removesuffix("0") + str(number)}

    def _ours(self, name: str, number: int) -> Contender:
        program = our_program(self._environment(number) | NO_LIMIT)
        tables = ("appended_readings", "reading_chunks", "reading_sums")
        return Contender(name, program, self.stores.token_of, tables, is_peer=False)

    def _old(self, name: str, number: int) -> Contender:
        made = released(OLD)
        environment = self._environment(number) | NO_LIMIT
        upgrade = [str(made.python), "-m", "flask", "--app", "wsgi", "db", "upgrade"]
        done = subprocess.run(upgrade, cwd=made.folder, env=environment, check=False, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{name}: the migration failed:\n{done.stderr[-3000:]}")
        program = Program("gunicorn", "wsgi:app", made.python, made.folder, environment)
        return Contender(name, program, self.stores.token_of, ("reading_chunks",), is_peer=False)

    def _peer(self, name: str, number: int) -> Contender:
        server, module = PEERS_OF_UPLOADS[name]
        program = Program(server, f"{module}:app", self.peers_python, PEERS, self._environment(number))
        secret = self.stores.environment["JWT_SECRET_KEY"]
        contender = Contender(name, program, lambda driver: peer_token(secret, driver))
        with contender.connect() as connection:
            connection.execute((PEERS / "uploads.sql").read_bytes())
        return contender
