"""The reconciler finds what no fence and no message told of."""

import time
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import update

from testbed.people import Person
from webapp.cache import keys
from webapp.cache.debts import owe
from webapp.cache.drift import measure
from webapp.cache.entries import Held
from webapp.cache.reconcile import MARGIN_S, reconcile
from webapp.cache.redis import Cache
from webapp.clock import utcnow
from webapp.database import db
from webapp.driving.cached_lists import SESSION_LISTS
from webapp.driving.cached_sessions import SESSIONS
from webapp.models import DrivingSession, User


def change_behind_the_back(app: Flask, model: type, **values: Any) -> None:
    """Change a row as a writer does that cannot reach Redis."""
    with app.app_context():
        statement = update(model).values(version=model.version + 1, updated_at=utcnow(), **values)  # type: ignore[attr-defined]
        db.session.execute(statement, execution_options={"changes_nothing_cached": True})
        db.session.commit()


def test_a_cached_session_that_is_behind_is_fenced_and_warmed(app: Flask, alice: Person, cache: Cache) -> None:
    path = f"/sessions/{alice.starts_a_drive(name='old')['id']}"
    assert alice.get(path).json["name"] == "old"
    change_behind_the_back(app, DrivingSession, name="new")
    assert alice.get(path).json["name"] == "old", "nobody has told Redis"
    alice.get("/sessions")
    cache.client.delete(keys.WARM_DUE)

    with app.app_context():
        report = reconcile()
    assert report.behind == 1
    assert cache.client.smembers(keys.WARM_DUE) == {SESSIONS.key(path.rpartition("/")[2])}
    assert alice.get(path).json["name"] == "new"


def test_a_cached_user_that_is_behind_is_fenced(app: Flask, alice: Person) -> None:
    assert alice.get("/users/me").status_code == 200
    change_behind_the_back(app, User, is_active=False)
    with app.app_context():
        assert reconcile().behind == 1
    assert alice.get("/users/me").status_code == 401


def test_a_cached_list_that_is_behind_is_fenced(app: Flask, alice: Person, cache: Cache) -> None:
    alice.starts_a_drive()
    assert len(alice.get("/sessions").json["data"]) == 1
    change_behind_the_back(app, DrivingSession, deleted_at=utcnow())
    with app.app_context():
        statement = update(User).values(sessions_version=User.sessions_version + 1)
        db.session.execute(statement, execution_options={"changes_nothing_cached": True})
        db.session.commit()
        assert len(alice.get("/sessions").json["data"]) == 1, "nobody has told Redis"
        assert reconcile().behind == 2, "the session and the list"
    assert cache.entries.held([SESSION_LISTS.key(alice.id)]) == [Held("pending", 2)]
    assert alice.get("/sessions").json["data"] == []


def test_a_list_is_not_behind_because_one_of_its_sessions_is(app: Flask, alice: Person, cache: Cache) -> None:
    alice.starts_a_drive(name="old")
    assert alice.get("/sessions").json["data"][0]["name"] == "old"
    change_behind_the_back(app, DrivingSession, name="new")
    with app.app_context():
        assert reconcile().behind == 1
    assert cache.entries.held([SESSION_LISTS.key(alice.id)]) == [Held("value", 1)]
    assert alice.get("/sessions").json["data"][0]["name"] == "new"


def test_a_list_whose_warm_was_lost_is_warmed(app: Flask, alice: Person, cache: Cache) -> None:
    alice.starts_a_drive()
    cache.client.delete(keys.WARM_DUE, keys.WARM_SCHEDULED)
    with app.app_context():
        assert reconcile().warmed == 1
    assert cache.client.smembers(keys.WARM_DUE) == {SESSION_LISTS.key(alice.id)}


def test_a_session_that_its_writer_did_not_publish_and_whose_warm_was_lost_is_warmed(
    app: Flask, alice: Person, cache: Cache
) -> None:
    session_id = alice.starts_a_drive()["id"]
    alice.get("/sessions")
    cache.client.delete(SESSIONS.key(session_id), keys.WARM_DUE, keys.WARM_SCHEDULED)
    with app.app_context():
        assert reconcile().warmed == 1
    assert cache.client.smembers(keys.WARM_DUE) == {SESSIONS.key(session_id)}


def test_what_is_in_order_is_left_alone(app: Flask, alice: Person) -> None:
    path = f"/sessions/{alice.starts_a_drive()['id']}"
    for read in (path, "/sessions", "/users/me"):
        alice.get(read)
    with app.app_context():
        report = reconcile()
    assert (report.compared >= 3, report.behind, report.warmed) == (True, 0, 0)
    assert alice.get(path).headers["Cache-Status"] == "session-cache; hit"


def test_garbage_under_a_key_does_not_stop_it(app: Flask, alice: Person, cache: Cache) -> None:
    session_id = alice.starts_a_drive()["id"]
    cache.client.delete(SESSIONS.key(session_id))
    cache.client.lpush(SESSIONS.key(session_id), "a list")
    with app.app_context():
        assert reconcile().behind == 0
    assert alice.get(f"/sessions/{session_id}").status_code == 200


def test_what_was_compared_is_not_compared_again(app: Flask, alice: Person) -> None:
    alice.starts_a_drive()
    with app.app_context():
        assert reconcile().compared >= 3
        long_ago = utcnow() - timedelta(seconds=MARGIN_S + 1)
        for model in (User, DrivingSession):
            statement = update(model).values(updated_at=long_ago)
            db.session.execute(statement, execution_options={"changes_nothing_cached": True})
        db.session.commit()
        assert reconcile().compared == 0


def test_after_a_flush_all_that_may_be_cached_is_compared(app: Flask, alice: Person, cache: Cache) -> None:
    alice.starts_a_drive()
    with app.app_context():
        reconcile()
        long_ago = utcnow() - timedelta(seconds=MARGIN_S + 1)
        statement = update(DrivingSession).values(updated_at=long_ago)
        db.session.execute(statement, execution_options={"changes_nothing_cached": True})
        db.session.commit()
        cache.client.flushall()
        assert reconcile().compared >= 3


def test_what_is_compared_does_not_count_as_used(app: Flask, alice: Person, cache: Cache) -> None:
    session_id = alice.starts_a_drive()["id"]
    alice.get(f"/sessions/{session_id}")
    time.sleep(1.1)  # The server counts whole seconds.
    with app.app_context():
        reconcile()
        measure(10)
    assert cache.client.object("IDLETIME", SESSIONS.key(session_id)) >= 1
    alice.get(f"/sessions/{session_id}")
    assert cache.client.object("IDLETIME", SESSIONS.key(session_id)) == 0


def test_debts_are_paid_before_anything_is_compared(app: Flask, alice: Person, cache: Cache) -> None:
    session_id = alice.starts_a_drive()["id"]
    alice.get(f"/sessions/{session_id}")
    with app.app_context():
        with db.engine.begin() as connection:
            owe(connection, {SESSIONS.key(session_id): 2})
        reconcile()
    assert cache.entries.held([SESSIONS.key(session_id)]) == [Held("pending", 2)]
