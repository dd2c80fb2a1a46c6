"""The worker warms what writes have fenced, once for many changes."""

from typing import Any

import pytest
from flask import Flask
from redis.client import Pipeline
from redis.exceptions import TimeoutError as RedisTimeoutError
from sqlalchemy import event

from testbed.people import Person
from webapp import jobs
from webapp.auth.cached_users import USERS
from webapp.cache import fills, warming
from webapp.cache.kinds import Kind
from webapp.cache.redis import Cache
from webapp.database import db
from webapp.driving.cached_lists import SESSION_LISTS
from webapp.driving.cached_sessions import SESSIONS
from worker.tasks import warm_due, warm_first_reads


@pytest.fixture
def sent(app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the jobs that were sent."""
    names: list[str] = []
    monkeypatch.setattr(app.extensions["producer"], "send_task", lambda name, **_: names.append(name))
    return names


def held(cache: Cache, kind: Kind, id: str) -> tuple[str, int]:
    return tuple(cache.entries.held([kind.key(id)])[0])  # type: ignore[return-value]


def refuse(*_: Any, **__: Any) -> None:
    raise ConnectionRefusedError


def give_no_answer(*_: Any) -> None:
    raise RedisTimeoutError


def test_what_a_writer_does_not_publish_is_cached_again_when_the_worker_has_run(
    app: Flask, alice: Person, cache: Cache
) -> None:
    alice.starts_a_drive()
    assert held(cache, SESSION_LISTS, alice.id) == ("pending", 1)
    with app.app_context():
        warm_due()
    assert held(cache, SESSION_LISTS, alice.id) == ("value", 1)
    assert alice.get("/sessions").headers["Cache-Status"] == "session-cache; hit"


def test_what_a_writer_could_not_publish_is_cached_again_when_the_worker_has_run(
    app: Flask, alice: Person, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = alice.starts_a_drive()["id"]
    monkeypatch.setattr(cache.entries, "publish", give_no_answer)
    assert alice.patch(f"/sessions/{session_id}", json={"name": "new"}).status_code == 200
    assert held(cache, SESSIONS, session_id) == ("pending", 2)
    with app.app_context():
        warm_due()
    assert held(cache, SESSIONS, session_id) == ("value", 2)
    assert alice.get(f"/sessions/{session_id}").headers["Cache-Status"] == "session-cache; hit"


def test_a_list_is_warmed_with_the_sessions_that_are_shown_with_it(app: Flask, alice: Person, cache: Cache) -> None:
    ids = []
    for _ in range(2):
        ids.append(alice.starts_a_drive()["id"])
        alice.post(f"/sessions/{ids[-1]}/end", json={})
    cache.client.delete(*map(SESSIONS.key, ids))
    with app.app_context():
        assert warming.warm_due() == 3, "the list and two sessions"
    assert [held(cache, SESSIONS, id) for id in ids] == [("value", 2)] * 2
    assert alice.get("/sessions").headers["Cache-Status"] == "session-cache; hit"


def test_many_changes_of_many_sessions_ask_for_one_run(alice: Person, bob: Person, sent: list[str]) -> None:
    sessions = [(person, person.starts_a_drive()["id"]) for person in (alice, bob)]
    for n in range(20):
        for person, session_id in sessions:
            person.patch(f"/sessions/{session_id}", json={"name": f"version {n}"})
    assert sent == [jobs.WARM_DUE]


def test_a_batch_costs_one_select_one_pipeline_of_leases_and_one_of_puts(
    app: Flask, alice: Person, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = []
    for _ in range(10):
        ids.append(alice.starts_a_drive()["id"])
        alice.post(f"/sessions/{ids[-1]}/end", json={})
    cache.client.flushall()
    statements: list[str] = []
    pipelines: list[int] = []
    execute = Pipeline.execute

    def counted(pipeline: Pipeline, *args: Any, **kwargs: Any) -> Any:
        pipelines.append(len(pipeline))
        return execute(pipeline, *args, **kwargs)

    monkeypatch.setattr(Pipeline, "execute", counted)
    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
        assert fills.fill_many(SESSIONS, ids) == len(ids)
    assert ["FROM driving_sessions" in statement for statement in statements] == [True, False], "and the timeline"
    assert pipelines == [len(ids), len(ids)]


def test_a_change_after_the_run_asks_for_another_one(app: Flask, alice: Person, sent: list[str]) -> None:
    session_id = alice.starts_a_drive()["id"]
    with app.app_context():
        warming.warm_due()
    alice.post(f"/sessions/{session_id}/end", json={})
    assert sent == [jobs.WARM_DUE] * 2


def test_a_change_during_the_load_is_warmed_in_the_next_round(
    app: Flask, alice: Person, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = alice.starts_a_drive()["id"]
    load = SESSION_LISTS.load

    def change_while_loading(connection: Any, ids: Any) -> Any:
        loaded = load(connection, ids)
        monkeypatch.undo()
        alice.post(f"/sessions/{session_id}/end", json={})
        return loaded

    monkeypatch.setitem(SESSION_LISTS.__dict__, "load", change_while_loading)
    with app.app_context():
        warming.warm_due()
        assert held(cache, SESSION_LISTS, alice.id) == ("pending", 2)
        warming.warm_due()
    assert held(cache, SESSION_LISTS, alice.id) == ("value", 2)


def test_what_a_writer_publishes_during_the_load_stands(
    app: Flask, alice: Person, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = alice.starts_a_drive()["id"]
    load = SESSIONS.load

    def change_while_loading(connection: Any, ids: Any) -> Any:
        loaded = load(connection, ids)
        monkeypatch.undo()
        alice.patch(f"/sessions/{session_id}", json={"name": "changed while the worker was loading"})
        return loaded

    cache.client.delete(SESSIONS.key(session_id))
    monkeypatch.setitem(SESSIONS.__dict__, "load", change_while_loading)
    with app.app_context():
        assert fills.fill_many(SESSIONS, [session_id]) == 0
    assert held(cache, SESSIONS, session_id) == ("value", 2)
    assert alice.get(f"/sessions/{session_id}").json["name"] == "changed while the worker was loading"


def test_a_login_warms_the_user_the_active_session_and_the_newest_ones(app: Flask, alice: Person, cache: Cache) -> None:
    ids = []
    for hour in range(3):
        ids.append(alice.starts_a_drive(started_at=f"2026-01-05T0{hour}:00:00Z")["id"])
        alice.post(f"/sessions/{ids[-1]}/end", json={"ended_at": f"2026-01-05T0{hour}:10:00Z"})
    ids.append(alice.starts_a_drive(started_at="2025-01-01T00:00:00Z")["id"])
    cache.client.flushall()
    with app.app_context():
        warm_first_reads(alice.id)
    warmed = [USERS.key(alice.id), SESSION_LISTS.key(alice.id), *(SESSIONS.key(id) for id in ids)]
    assert all(found.state == "value" for found in cache.entries.held(warmed))


def test_a_broker_that_is_away_does_not_fail_the_write(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alice.client.application.extensions["producer"], "send_task", refuse)
    assert alice.starts_a_drive()["version"] == 1
