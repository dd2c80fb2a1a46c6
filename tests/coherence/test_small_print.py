"""What the protocol cannot promise (docs/cache-contract.md): two faults at once, and what bounds them."""

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import update

from testbed.applications import believing, closed
from testbed.people import Person
from testbed.troubles import UNREADABLE
from tests.shared.meanwhile import wait_until
from webapp import create_app
from webapp.cache.reconcile import reconcile
from webapp.cache.redis import Cache
from webapp.clock import utcnow
from webapp.config import Settings
from webapp.database import db
from webapp.models import DrivingSession


@pytest.fixture
def path(alice: Person) -> str:
    """The path of a drive of Alice's with the name "old"."""
    return f"/sessions/{alice.starts_a_drive(name='old')['id']}"


@pytest.fixture
def reader(settings: Settings, alice: Person) -> Iterator[Person]:
    """Alice, calling a process that watches."""
    app = believing(create_app(settings.model_copy(update={"cache_probe_interval_ms": 20})))
    yield Person(app.test_client(), alice.email, alice.id, alice.tokens)
    closed(app)


def test_a_reader_without_the_database_and_a_writer_without_redis_at_the_same_time(
    reader: Person, cut_off: Person, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache: Cache = reader.client.application.extensions["cache"]
    assert [reader.get(path).json["name"] for _ in range(2)] == ["old"] * 2

    def fail() -> bool:
        raise UNREADABLE

    with monkeypatch.context() as without_the_database:
        without_the_database.setattr(cache.debts, "look", fail)
        wait_until(lambda: cache.trust._database_is_away)
        assert cut_off.patch(path, json={"name": "new"}).status_code == 200
        assert reader.get(path).json["name"] == "old", "it goes on by probes, and nobody could tell it"
    wait_until(lambda: reader.get(path).json["name"] == "new")


def test_a_change_by_something_else_than_this_application_is_found_by_the_reconciler(
    app: Flask, alice: Person, path: str
) -> None:
    assert alice.get(path).json["name"] == "old"
    with app.app_context():
        renamed = update(DrivingSession).values(name="new", version=DrivingSession.version + 1, updated_at=utcnow())
        db.session.execute(renamed, execution_options={"changes_nothing_cached": True})
        db.session.commit()
        assert alice.get(path).json["name"] == "old"
        assert reconcile().behind == 1
    assert alice.get(path).json["name"] == "new"
