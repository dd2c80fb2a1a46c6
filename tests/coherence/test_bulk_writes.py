"""A bulk write of a cached model bumps no version and fences nothing, so it is refused."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, insert, update

from webapp.cache.coherence import BulkWriteRefused
from webapp.clock import utcnow
from webapp.database import db
from webapp.models import Base, DrivingSession, Login, User, new_id

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
