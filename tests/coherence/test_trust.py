"""A process believes what it found while the table of debts was empty, for half a second, and nothing else."""

import os

import pytest
from flask import Flask
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from testbed.people import Person
from testbed.troubles import TROUBLE, UNREADABLE
from tests.coherence.reading import BYPASS, HIT, MISS, read
from webapp import create_app
from webapp.cache.debts import owe
from webapp.cache.redis import Cache, close_redis
from webapp.clock import utcnow
from webapp.config import Settings
from webapp.database import db
from webapp.driving.cached_sessions import SESSIONS
from webapp.models import DrivingSession


@pytest.fixture
def path(alice: Person) -> str:
    """The path of a drive of Alice's with the name "old", cached."""
    path = f"/sessions/{alice.starts_a_drive(name='old')['id']}"
    assert [read(alice, path) for _ in range(2)] == [("old", HIT)] * 2
    return path


def rename_and_owe_the_fence(app: Flask, path: str, name: str) -> None:
    """Change the drive as a process does that is cut off from Redis."""
    with app.app_context():
        renamed = update(DrivingSession).values(name=name, version=DrivingSession.version + 1, updated_at=utcnow())
        db.session.execute(renamed, execution_options={"changes_nothing_cached": True})
        owe(db.session.connection(), {SESSIONS.key(path.rpartition("/")[2]): 2})
        db.session.commit()


def test_a_debt_is_paid_before_redis_is_believed_again(app: Flask, alice: Person, cache: Cache, path: str) -> None:
    cache.trust.doubt(TROUBLE, operation="test")
    rename_and_owe_the_fence(app, path, "new")
    assert [read(alice, path) for _ in range(2)] == [("new", BYPASS)] * 2
    cache.trust.settle()
    assert [read(alice, path) for _ in range(2)] == [("new", MISS), ("new", HIT)]


def test_trouble_while_looking_needs_another_look(
    alice: Person, cache: Cache, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = cache.debts.look

    def look_and_lose_the_connection() -> bool:
        found_none = look()
        cache.trust.doubt(TROUBLE, operation="test")
        return found_none

    cache.trust.doubt(TROUBLE, operation="test")
    monkeypatch.setattr(cache.debts, "look", look_and_lose_the_connection)
    cache.trust.settle()
    assert read(alice, path) == ("old", BYPASS)


def test_a_look_that_fails_settles_nothing(
    alice: Person, cache: Cache, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> bool:
        raise UNREADABLE

    cache.trust.doubt(TROUBLE, operation="test")
    monkeypatch.setattr(cache.debts, "look", fail)
    with pytest.raises(OperationalError):
        cache.trust.settle()
    assert read(alice, path) == ("old", BYPASS)


def test_a_process_is_born_doubting(settings: Settings, alice: Person, path: str) -> None:
    born = create_app(settings)
    try:
        alice.client = born.test_client()
        assert read(alice, path) == ("old", BYPASS)
        born.extensions["cache"].trust.settle()
        assert read(alice, path) == ("old", HIT)
    finally:
        close_redis(born)
        with born.app_context():
            db.engine.dispose()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Of forks in a process with threads.
def test_a_forked_child_doubts_what_its_parent_believes(cache: Cache) -> None:
    assert cache.trust.believes()
    child = os.fork()
    if child == 0:
        os._exit(1 if cache.trust.believes() else 0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert cache.trust.believes()
