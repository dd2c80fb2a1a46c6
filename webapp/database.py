"""How the database is reached: engine options, time limits, and the two ways to talk to it.

* `db.session` is for writes. On SQLite it begins with BEGIN IMMEDIATE, so that two writers queue at the start of their
  transactions instead of failing in the middle.
* `read_connection()` is for reads: one statement sees one state of the database, and no transaction is opened for it.

And `watch_engine` is for the thread that watches: connections of its own, and little patience.

A thread holds one connection at a time. The limits are shorter than `entries.PENDING_TTL_MS`: a transaction that is
still open when its fence expires could let an old row back into the cache.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import psycopg
from flask import Flask, current_app
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    ExceptionContext,
    String,
    create_engine,
    event,
    literal_column,
)
from sqlalchemy.exc import InvalidatePoolError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from webapp.config import Settings, settings
from webapp.models import Base


class Session(FlaskSession):
    """A session that says whether what it does is a flush, of which its listeners are told."""

    is_flushing = False

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        """Write what has changed."""
        self.is_flushing = True
        try:
            super().flush(objects)
        finally:
            self.is_flushing = False


db = SQLAlchemy(metadata=Base.metadata, session_options={"expire_on_commit": False, "class_": Session})
migrate = Migrate(compare_type=True, render_as_batch=True)

STATEMENT_TIMEOUT_MS = 2_500
LOCK_TIMEOUT_MS = 1_000
IDLE_IN_TRANSACTION_TIMEOUT_MS = 5_000
PING_AFTER_IDLE_S = 0.05
"""A connection that lay idle for longer is asked whether it still stands before it is used, in s. PostgreSQL needs
longer to restart, even after a crash (70 ms were seen); to ask each time would cost every request a round trip.
"""
READ_ONLY_TRANSACTION = "25006"
"""PostgreSQL's code for a write that a standby refuses: a failover is under way."""
ANSWER_TIMEOUT_S = 3.0
"""How long an answer of the database is waited for, in s: a little longer than the server works on a statement."""
SQLITE_BUSY_TIMEOUT_MS = 2_500
JSON = {"json_deserializer": orjson.loads, "json_serializer": lambda value: orjson.dumps(value).decode()}
"""How JSON columns are read and written: the standard library's functions take five and fifteen times as long."""
WATCH_TIMEOUT_S = 0.25
"""How long who watches waits for an answer, in s: half as long as it believes the one before."""

_TIMELINE = "(CASE WHEN pg_is_in_recovery() THEN NULL ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END)"


def engine_options(settings: Settings) -> dict[str, Any]:
    """Return SQLAlchemy's engine options for the database that the settings name."""
    # One for each thread, those that wait included. Errors are logged without their parameters: those of a login are a
    # password hash.
    common = {
        "pool_size": settings.web_threads + settings.spare_threads,
        "max_overflow": 0,
        "pool_timeout": 2,
        "hide_parameters": True,
        **JSON,
    }
    if settings.sqlalchemy_url.startswith("sqlite"):
        return {**common, "connect_args": {"timeout": SQLITE_BUSY_TIMEOUT_MS / 1000}}
    limits = {
        "statement_timeout": STATEMENT_TIMEOUT_MS,
        "lock_timeout": LOCK_TIMEOUT_MS,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_TIMEOUT_MS,
        "timezone": "UTC",
    }
    options = " ".join(f"-c {name}={value}" for name, value in limits.items())
    return {
        **common,
        "pool_recycle": 300,
        "connect_args": {"connect_timeout": 2, "options": options, "application_name": "driving-sessions"},
    }


class NotThePrimaryError(SQLAlchemyError):
    """The database that was read follows another one: what it does not show may be there."""


class DeadlineConnection(psycopg.Connection[Any]):
    """A connection that gives up on a server that hangs.

    The server's own time limits do not help then, and nor does a ping: a request would hang with it.
    """

    answer_timeout_s = ANSWER_TIMEOUT_S

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer, but not for ever. Then the connection is closed: its answer may still come."""
        began = time.monotonic()
        try:
            return super().wait(gen, interval=interval, timeout=self.answer_timeout_s if timeout is None else timeout)
        except psycopg.Error as error:
            if timeout is not None or time.monotonic() - began < self.answer_timeout_s:
                raise
            self.close()
            raise psycopg.OperationalError(f"no answer from the database within {self.answer_timeout_s} s") from error


class WatchConnection(DeadlineConnection):
    """A connection for who watches."""

    answer_timeout_s = WATCH_TIMEOUT_S


def init_app(app: Flask) -> None:
    """Prepare the engine of `app`, and one for reads on the same pool."""
    given = settings(app)
    app.config.update(SQLALCHEMY_DATABASE_URI=given.sqlalchemy_url, SQLALCHEMY_ENGINE_OPTIONS=engine_options(given))
    db.init_app(app)
    migrate.init_app(app, db)
    with app.app_context():
        _prepare(db.engine, given, DeadlineConnection)
        app.extensions["read_engine"] = db.engine.execution_options(isolation_level="AUTOCOMMIT")


def watch_engine(settings: Settings) -> Engine:
    """Make the engine of who watches: a connection for the thread, and one for whoever settles."""
    options = {**engine_options(settings), "pool_size": 1, "max_overflow": 1}
    if settings.sqlalchemy_url.startswith("sqlite"):
        options["connect_args"] = {"timeout": WATCH_TIMEOUT_S}
    engine = create_engine(settings.sqlalchemy_url, **options)
    _prepare(engine, settings, WatchConnection)
    return engine


def is_flushing() -> bool:
    """Say whether `db.session` of this thread is writing what has changed of its objects."""
    return db.session.registry.has() and db.session().is_flushing  # type: ignore[attr-defined]


def timeline_column(dialect: str) -> ColumnElement[str | None]:
    """Return the column that says in which history of the database a statement runs; None on a standby.

    A PostgreSQL that is promoted begins a new timeline where the old one was cut off. SQLite has one history.
    """
    return literal_column(_TIMELINE if dialect == "postgresql" else "''", String)


def timeline_of(connection: Connection) -> str | None:
    """Return the timeline of the transaction, or the statement, of `connection`. None on a standby."""
    if connection.dialect.name != "postgresql":
        return ""
    timeline: str | None = connection.exec_driver_sql(f"SELECT {_TIMELINE}").scalar()
    return timeline


def _prepare(engine: Engine, settings: Settings, connection_class: type[DeadlineConnection]) -> None:
    """Give an engine what its database needs: PostgreSQL a deadline; SQLite a folder, pragmas and a way to begin."""
    if engine.dialect.name == "postgresql":
        event.listen(engine, "do_connect", partial(_connect, connection_class))
        event.listen(engine, "checkin", _note_the_time)
        event.listen(engine, "checkout", _Ping(engine))
        event.listen(engine, "handle_error", _leave_a_standby)
        return
    Path(settings.sqlalchemy_url.removeprefix("sqlite:///")).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)


def _connect(
    connection_class: type[DeadlineConnection], _dialect: Any, _record: Any, args: Any, options: Any
) -> DeadlineConnection:
    return connection_class.connect(*args, **options)


def _note_the_time(_dbapi_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info["used_at"] = time.monotonic()


class _Ping:
    """Asks a connection that lay idle whether it still stands. If not, the pool begins anew."""

    def __init__(self, engine: Engine) -> None:
        self._dialect = engine.dialect

    def __call__(self, dbapi_connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
        if time.monotonic() - record.info.get("used_at", time.monotonic()) <= PING_AFTER_IDLE_S:
            return
        try:
            self._dialect.do_ping(dbapi_connection)
        except psycopg.Error as error:
            raise InvalidatePoolError from error


def _leave_a_standby(context: ExceptionContext) -> None:
    """Give up a connection to a server that takes no writes: the pool then finds the new primary."""
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY_TRANSACTION:
        context.is_disconnect = True
        # This connection only: a database may be read-only for long, and the reads use the same pool.
        context.invalidate_pool_on_disconnect = False


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
    engine: Engine = current_app.extensions["read_engine"]
    with engine.connect() as connection:
        yield connection
