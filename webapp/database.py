"""How the database is reached: engine options, time limits, and the two ways to talk to it.

* `db.session` is for writes. On SQLite it begins with BEGIN IMMEDIATE, so that two writers queue at the start of their
  transactions instead of failing in the middle.
* `read_connection()` is for reads: one statement sees one state of the database, and no transaction is opened for it.

A thread holds one connection at a time. The limits are shorter than `entries.PENDING_TTL_MS`: a transaction that is
still open when its fence expires could let an old row back into the cache.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

from webapp.config import Settings
from webapp.extensions import db

STATEMENT_TIMEOUT_MS = 2_500
LOCK_TIMEOUT_MS = 1_000
IDLE_IN_TRANSACTION_TIMEOUT_MS = 5_000
SQLITE_BUSY_TIMEOUT_MS = 2_500


def engine_options(settings: Settings) -> dict[str, Any]:
    """Return SQLAlchemy's engine options for the database that the settings name."""
    pool = {"pool_size": settings.web_threads, "max_overflow": 0, "pool_timeout": 2}
    if settings.sqlalchemy_url.startswith("sqlite"):
        return {**pool, "connect_args": {"timeout": SQLITE_BUSY_TIMEOUT_MS / 1000}}
    limits = {
        "statement_timeout": STATEMENT_TIMEOUT_MS,
        "lock_timeout": LOCK_TIMEOUT_MS,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_TIMEOUT_MS,
        "timezone": "UTC",
    }
    options = " ".join(f"-c {name}={value}" for name, value in limits.items())
    return {
        **pool,
        "pool_pre_ping": True,
        "pool_recycle": 300,
        "connect_args": {"connect_timeout": 2, "options": options, "application_name": "driving-sessions"},
    }


def prepare_sqlite(engine: Engine, settings: Settings) -> None:
    """Give a SQLite engine its folder, its pragmas and its way to begin. Does nothing for other databases."""
    if engine.dialect.name != "sqlite":
        return
    Path(settings.sqlalchemy_url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)


def _set_pragmas(dbapi_connection: Any, _record: Any) -> None:
    dbapi_connection.isolation_level = None  # The driver must not begin transactions of its own.
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        dbapi_connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def read_connection() -> Iterator[Connection]:
    """Lend a connection for reads. Each statement sees what was committed when it began."""
    with db.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        yield connection
