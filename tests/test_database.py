"""Connections to the database: one that no longer stands is replaced before a caller notices."""

from collections.abc import Iterator

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from webapp import database
from webapp.database import db, read_connection


@pytest.fixture(autouse=True)
def one_new_connection(app: Flask) -> Iterator[None]:
    """Begin with an empty pool, inside the application."""
    with app.app_context():
        db.engine.dispose()
        yield


@pytest.fixture
def pings(app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The connections that were asked whether they still stand."""
    asked: list[object] = []
    dialect = db.engine.dialect
    ping = dialect.do_ping

    def counted(connection: object) -> bool:
        asked.append(connection)
        return ping(connection)  # type: ignore[arg-type]

    monkeypatch.setattr(dialect, "do_ping", counted)
    return asked


def backend_pid() -> int:
    with read_connection() as connection:
        return int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)


def test_a_connection_that_was_just_used_costs_no_ping(pings: list[object]) -> None:
    assert backend_pid() == backend_pid()
    assert pings == []


def test_a_connection_that_lay_idle_is_asked_first(pings: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    pid = backend_pid()
    monkeypatch.setattr(database, "PING_AFTER_IDLE_S", 0.0)
    assert backend_pid() == pid
    assert len(pings) == 1


def test_a_connection_that_was_cut_while_it_lay_idle_is_replaced_unnoticed(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = backend_pid()
    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    monkeypatch.setattr(database, "PING_AFTER_IDLE_S", 0.0)
    assert backend_pid() != pid


def test_reads_keep_their_connections_while_writes_are_refused() -> None:
    """A database may be read-only for long: only the connection that was refused is given up."""
    with read_connection() as one:
        kept = one.scalar(text("SELECT pg_backend_pid()"))
        with pytest.raises(DBAPIError):
            db.session.execute(text("SET TRANSACTION READ ONLY"))
            db.session.execute(text("CREATE TABLE refused (id int)"))
        db.session.rollback()
    with read_connection() as one, db.engine.connect() as other:
        assert kept in {each.scalar(text("SELECT pg_backend_pid()")) for each in (one, other)}


def test_a_connection_to_a_server_that_takes_no_writes_is_given_up() -> None:
    pid = backend_pid()
    with read_connection() as connection:
        connection.execute(text("SET default_transaction_read_only = on"))
    with pytest.raises(DBAPIError) as refused:
        db.session.execute(text("CREATE TABLE refused (id int)"))
    db.session.rollback()
    assert refused.value.connection_invalidated
    assert backend_pid() != pid
