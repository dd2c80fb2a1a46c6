"""The reconciler finds what no fence and no message told of."""

from typing import Any

import pytest
from flask import Flask
from redis import RedisError
from sqlalchemy import update

from tests.people import Person
from webapp.cache import keys
from webapp.cache.reconcile import reconcile
from webapp.cache.redis import Cache
from webapp.clock import utcnow
from webapp.extensions import db
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
    cache.client.delete(keys.WARM_DUE)

    with app.app_context():
        report = reconcile()
    assert report.behind == 1
    assert cache.client.smembers(keys.WARM_DUE) == {keys.session(path.rpartition("/")[2])}
    assert alice.get(path).json["name"] == "new"


def test_a_cached_user_that_is_behind_is_fenced(app: Flask, alice: Person) -> None:
    assert alice.get("/users/me").status_code == 200
    change_behind_the_back(app, User, is_active=False)
    with app.app_context():
        assert reconcile().behind == 1
    assert alice.get("/users/me").status_code == 401


def test_a_cached_list_that_is_behind_is_fenced(app: Flask, alice: Person) -> None:
    alice.starts_a_drive(name="old")
    assert alice.get("/sessions").json["data"][0]["name"] == "old"
    change_behind_the_back(app, DrivingSession, name="new")
    with app.app_context():
        statement = update(User).values(sessions_version=User.sessions_version + 1)
        db.session.execute(statement, execution_options={"changes_nothing_cached": True})
        db.session.commit()
        assert reconcile().behind == 1
    assert alice.get("/sessions").json["data"][0]["name"] == "new"


def test_a_session_whose_warm_was_lost_is_warmed(app: Flask, alice: Person, cache: Cache) -> None:
    session_id = alice.starts_a_drive()["id"]
    cache.client.delete(keys.WARM_DUE, keys.WARM_SCHEDULED)
    with app.app_context():
        assert reconcile().warmed == 1
    assert cache.client.smembers(keys.WARM_DUE) == {keys.session(session_id)}


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
    cache.client.delete(keys.session(session_id))
    cache.client.lpush(keys.session(session_id), "a list")
    with app.app_context():
        assert reconcile().behind == 0
    assert alice.get(f"/sessions/{session_id}").status_code == 200


def test_a_redis_that_fails_half_way_leaves_the_process_in_doubt(
    app: Flask, alice: Person, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice.starts_a_drive()
    cache.trust.doubt(RedisError(), operation="test")

    def fail(_keys: Any) -> Any:
        raise RedisError

    monkeypatch.setattr(cache.entries, "held", fail)
    with app.app_context(), pytest.raises(RedisError):
        cache.trust.settle()
    assert not cache.trust.believes()


def test_trouble_during_the_comparison_keeps_the_doubt(app: Flask, cache: Cache) -> None:
    cache.trust.reconcile_with(lambda: cache.trust.doubt(RedisError(), operation="test"))
    cache.trust.settle()
    assert not cache.trust.believes()
