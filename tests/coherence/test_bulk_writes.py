"""A bulk write of a cached model bumps no version and fences nothing, so it is refused, whichever way it comes."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import bindparam, delete, insert, inspect, select, update
from sqlalchemy.exc import PendingRollbackError
from sqlalchemy.orm import Session

from testbed.people import Person
from webapp.cache.unnoted import NOT_NOTICED, NOTED, BulkWriteRefused
from webapp.clock import utcnow
from webapp.database import db, read_connection
from webapp.models import Base, DrivingSession, Login, User, new_id
from webapp.statements import Statement

metadata = Base.metadata


@pytest.mark.parametrize(
    "statement",
    [
        update(DrivingSession).values(name="x"),
        update(metadata.tables["driving_sessions"]).values(name="x"),
        update(User).values(full_name="x"),
        delete(DrivingSession),
        delete(metadata.tables["users"]),
        insert(DrivingSession).values(name="x"),
    ],
    ids=lambda statement: str(statement).partition("\n")[0].partition(" SET")[0].partition(" (")[0],
)
def test_a_bulk_write_of_a_cached_model_is_refused(app: Flask, statement: Any) -> None:
    with app.app_context():
        with pytest.raises(BulkWriteRefused, match=r"one by one.*changes_nothing_cached=True"):
            db.session.execute(statement)
        with pytest.raises(BulkWriteRefused):
            db.session.execute(statement, [{"id": new_id()}])


def test_a_bulk_write_of_the_query_interface_is_refused(app: Flask) -> None:
    with app.app_context():
        with pytest.raises(BulkWriteRefused):
            db.session.query(DrivingSession).update({"name": "x"})
        with pytest.raises(BulkWriteRefused):
            db.session.query(User).delete()


def test_a_bulk_write_of_what_is_not_cached_is_nobodys_business(app: Flask) -> None:
    with app.app_context():
        db.session.execute(update(Login).values(user_agent="x"))
        db.session.execute(
            update(DrivingSession).values(last_contact_at=utcnow()), execution_options={"changes_nothing_cached": True}
        )


@pytest.fixture
def stored(app: Flask, alice: Person) -> Iterator[Callable[[], list[Any]]]:
    """What is stored of accounts and drives, as anybody else sees it: Alice's, and a drive of hers."""
    alice.starts_a_drive(name="as it was")

    def read() -> list[Any]:
        with db.engine.connect() as connection:
            return [
                connection.execute(select(model.__table__).order_by(model.id)).all() for model in (User, DrivingSession)
            ]

    with app.app_context():
        yield read
        db.session.rollback()


Core = Callable[[Any], object]


def by_the_connection_of_the_session(statement: Any) -> None:
    db.session.connection().execute(statement)
    db.session.commit()


def by_a_transaction_of_the_engine(statement: Any) -> None:
    with db.engine.begin() as connection:
        connection.execute(statement)


def by_a_connection_that_commits_by_itself(statement: Any) -> None:
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(statement)


def by_the_connection_for_reads(statement: Any) -> None:
    with read_connection() as connection:
        connection.execute(statement)


def by_a_session_of_its_own(statement: Any) -> None:
    with Session(db.engine) as session, session.begin():
        session.connection().execute(statement)


@pytest.mark.parametrize(
    "execute",
    [
        by_the_connection_of_the_session,
        by_a_transaction_of_the_engine,
        by_a_connection_that_commits_by_itself,
        by_the_connection_for_reads,
        by_a_session_of_its_own,
    ],
    ids=lambda execute: execute.__name__,
)
@pytest.mark.parametrize(
    "statement",
    [
        update(User).values(full_name="x"),
        update(metadata.tables["users"]).values(full_name="x"),
        update(DrivingSession).values(name="x"),
        update(metadata.tables["driving_sessions"]).values(name="x"),
        delete(DrivingSession),
        delete(metadata.tables["users"]),
        insert(User).values(id=new_id(), full_name="x", password_hash="", version=1),
        insert(metadata.tables["driving_sessions"]).values(id=new_id(), summary={}, version=1),
    ],
    ids=lambda statement: f"{type(statement).__name__} {statement.table.name}",
)
def test_a_statement_past_the_session_is_refused_and_writes_nothing(
    stored: Callable[[], list[Any]], execute: Core, statement: Any
) -> None:
    before = stored()
    with pytest.raises(BulkWriteRefused, match="one by one"):
        execute(statement)
    db.session.rollback()
    assert stored() == before


def save_objects(model: type[User] | type[DrivingSession]) -> None:
    found = db.session.scalars(select(model)).one()
    db.session.expunge(found)
    setattr(found, SHOWN[model], "x")
    db.session.bulk_save_objects([found])


def save_new_objects(model: type[User] | type[DrivingSession]) -> None:
    db.session.bulk_save_objects([model(**new_row(model))])


def insert_mappings(model: type[User] | type[DrivingSession]) -> None:
    db.session.bulk_insert_mappings(inspect(model), [new_row(model)])


def update_mappings(model: type[User] | type[DrivingSession]) -> None:
    found = db.session.scalars(select(model)).one()
    change = {"id": found.id, "version": found.version, SHOWN[model]: "x"}
    db.session.bulk_update_mappings(inspect(model), [change])


SHOWN: dict[type[Base], str] = {User: "full_name", DrivingSession: "name"}


def new_row(model: type[Base]) -> dict[str, Any]:
    if model is User:
        return {"id": new_id(), "full_name": "x", "password_hash": "", "version": 1}
    user_id = db.session.scalar(select(User.id))
    return {"id": new_id(), "user_id": user_id, "status": "completed", "summary": {}, "version": 1}


@pytest.mark.parametrize("model", [User, DrivingSession], ids=lambda model: model.__name__)
@pytest.mark.parametrize(
    "write", [save_objects, save_new_objects, insert_mappings, update_mappings], ids=lambda write: write.__name__
)
def test_the_bulk_operations_of_a_session_are_refused_and_write_nothing(
    stored: Callable[[], list[Any]], write: Callable[[Any], None], model: type[Base]
) -> None:
    before = stored()
    with pytest.raises(BulkWriteRefused, match="one by one"):
        write(model)
    with pytest.raises(PendingRollbackError):
        db.session.commit()
    db.session.rollback()
    assert stored() == before


def test_a_flush_writes_and_what_comes_after_it_is_refused_all_the_same(stored: Callable[[], list[Any]]) -> None:
    drive = db.session.scalars(select(DrivingSession)).one()
    drive.name = "changed one by one"
    db.session.flush()
    with pytest.raises(BulkWriteRefused):
        db.session.connection().execute(update(DrivingSession).values(name="x"))
    db.session.commit()
    assert [row.name for row in stored()[1]] == ["changed one by one"]


def test_a_statement_that_its_writer_tells_of_is_let_through(stored: Callable[[], list[Any]]) -> None:
    with db.engine.begin() as connection:
        connection.execute(update(User).values(full_name=User.full_name), execution_options=NOTED)
        connection.execute(update(User).values(full_name=User.full_name), execution_options=NOT_NOTICED)


def test_a_compiled_statement_that_nobody_tells_of_is_refused(stored: Callable[[], list[Any]]) -> None:
    before = stored()
    statement = Statement(update(User).values(full_name=bindparam("named")))
    for _ in range(2):
        with pytest.raises(BulkWriteRefused), db.engine.begin() as connection:
            statement.run(connection, {"named": "x"})
    assert stored() == before
