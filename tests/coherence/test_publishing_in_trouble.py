"""What a writer does not know it does not publish: it fences, as if it had nothing to give, and acknowledges."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from redis import RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from testbed.people import Person
from testbed.troubles import without_memory
from tests.shared.interleave import Act, Cached, at_commit
from webapp.cache.entries import Held, Outcome
from webapp.cache.fills import Source
from webapp.cache.redis import Cache
from webapp.database import db
from webapp.driving.cached_sessions import SESSIONS
from webapp.models import DrivingSession

Errors = tuple[type[RedisError], ...]


@pytest.fixture
def drive(app: Flask, cache: Cache, alice: Person) -> Iterator[Cached]:
    """A drive of Alice's at version 1, cached."""
    drive_id = alice.starts_a_drive(name="old")["id"]

    def change() -> None:
        assert alice.patch(f"/sessions/{drive_id}", json={"name": "new"}).status_code == 200

    with app.app_context():
        yield Cached(cache, SESSIONS, drive_id, change)
        db.session.rollback()


@pytest.fixture
def published(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> list[Outcome]:
    """What has come of each call of `publish`."""
    outcomes: list[Outcome] = []
    publish = cache.entries.publish

    def noted(*arguments: Any) -> Outcome:
        outcomes.append(publish(*arguments))
        return outcomes[-1]

    monkeypatch.setattr(cache.entries, "publish", noted)
    return outcomes


def row_of(drive: Cached) -> DrivingSession:
    return db.session.get_one(DrivingSession, drive.id, populate_existing=True)


def losing_answers(
    fence_once: Callable[..., set[str]], errors: Errors, is_executed: bool, late: list[Act]
) -> Callable[..., set[str]]:
    """Return the fence of who loses the first answers to those with a token. What is not executed is noted as late."""
    left = list(errors)

    def fence(floors: Any, timeline: Any = None, held: Any = (), token: str = "") -> set[str]:
        if not token or not left:
            return fence_once(floors, timeline, held, token)
        if is_executed:
            fence_once(floors, timeline, held, token)
        else:
            late.append(lambda: fence_once(floors, timeline, held, token))
        raise left.pop(0)

    return fence


@pytest.mark.parametrize("is_executed", [True, False], ids=["executed", "not executed"])
@pytest.mark.parametrize("errors", [(RedisTimeoutError,), (RedisConnectionError,) * 2], ids=["timeout", "connection"])
def test_a_fence_that_got_no_answer_is_followed_by_no_publish(
    cache: Cache,
    drive: Cached,
    published: list[Outcome],
    monkeypatch: pytest.MonkeyPatch,
    errors: Errors,
    is_executed: bool,
) -> None:
    fence = losing_answers(cache.entries.fence_once, errors, is_executed, late=[])
    monkeypatch.setattr(cache.entries, "fence_once", fence)
    drive.change()
    assert published == []
    assert drive.held() == Held("pending", 2)
    cache.trust.settle()
    assert drive.read()[0] == drive.row()
    assert drive.read() == (drive.row(), Source.HIT)


@pytest.mark.parametrize("comes_late", [False, True], ids=["lost", "executed late"])
def test_a_fence_that_is_sent_again_publishes_under_the_token_that_was_accepted_alone(
    cache: Cache, drive: Cached, published: list[Outcome], monkeypatch: pytest.MonkeyPatch, comes_late: bool
) -> None:
    late: list[Act] = []
    fence = losing_answers(cache.entries.fence_once, (RedisConnectionError,), is_executed=False, late=late)
    monkeypatch.setattr(cache.entries, "fence_once", fence)
    with at_commit(lambda: [act() for act in late if comes_late]):
        drive.change()
    assert len(late) == 1
    assert published == [Outcome(set(), set() if comes_late else {drive.key})]
    assert drive.held() == Held("pending" if comes_late else "value", 2)
    assert drive.read()[0] == drive.row()
    late[0]()
    assert drive.read()[0] == drive.row(), "nor does it harm when all is over"


@pytest.mark.parametrize("error", [RedisTimeoutError, RedisConnectionError])
@pytest.mark.parametrize("is_executed", [True, False], ids=["executed", "not executed"])
def test_a_publish_that_got_no_answer_is_followed_by_a_fence_and_the_write_is_acknowledged(
    cache: Cache, drive: Cached, monkeypatch: pytest.MonkeyPatch, error: type[RedisError], is_executed: bool
) -> None:
    publish, calls = cache.entries.publish, []

    def lose_the_answer(*arguments: Any) -> Outcome:
        calls.append(arguments)
        if is_executed:
            publish(*arguments)
        raise error

    monkeypatch.setattr(cache.entries, "publish", lose_the_answer)
    drive.change()
    assert len(calls) == 1, "it is sent once"
    assert drive.held() == Held("value" if is_executed else "pending", 2)
    assert drive.read()[0] == drive.row()
    assert drive.read() == (drive.row(), Source.HIT)


@pytest.mark.parametrize("is_lost", [False, True], ids=["", "the key is lost"])
def test_a_publish_that_is_executed_late_puts_nothing_old_there(
    alice: Person, cache: Cache, drive: Cached, monkeypatch: pytest.MonkeyPatch, is_lost: bool
) -> None:
    publish, late = cache.entries.publish, []

    def lose_it(*arguments: Any) -> Outcome:
        late.append(arguments)
        raise RedisTimeoutError

    with monkeypatch.context() as patch:
        patch.setattr(cache.entries, "publish", lose_it)
        drive.change()
    assert alice.patch(f"/sessions/{drive.id}", json={"name": "newer"}).status_code == 200
    if is_lost:
        drive.lose()
    publish(*late[0])
    assert drive.held() == (Held("pending", 2) if is_lost else Held("value", 3))
    assert drive.read()[0] == drive.row()


def test_a_redis_that_is_full_refuses_the_publish_and_has_forgotten_the_old_value(
    cache: Cache, drive: Cached, published: list[Outcome]
) -> None:
    cache.client.config_set("maxmemory-policy", "noeviction")
    without_memory(cache.client, True)
    try:
        drive.change()
        assert published == []
        assert drive.held() == Held("pending", 2)
        assert drive.read() == (drive.row(), Source.MISS)
    finally:
        cache.client.config_set("maxmemory", 0)
    assert cache.trust.believes()
    assert drive.read()[0] == drive.row()
    assert drive.read() == (drive.row(), Source.HIT)


def test_what_was_written_before_a_savepoint_was_rolled_back_is_not_published(
    drive: Cached, published: list[Outcome]
) -> None:
    row_of(drive).name = "new"
    savepoint = db.session.begin_nested()
    row_of(drive).name = "never"
    db.session.flush()
    savepoint.rollback()
    db.session.commit()
    assert published == []
    assert drive.row().version == 2
    assert drive.held().state == "pending"
    assert drive.read()[0] == drive.row()


def test_what_is_written_after_a_savepoint_was_rolled_back_is_fenced_alone(drive: Cached) -> None:
    with db.session.begin_nested() as savepoint:
        row_of(drive).name = "never"
        db.session.flush()
        savepoint.rollback()
    row_of(drive).name = "new"
    db.session.commit()
    assert '"name":"new"' in drive.row().body
    assert drive.read() == (drive.row(), Source.MISS)


def test_what_was_written_within_a_savepoint_that_was_released_is_published(drive: Cached) -> None:
    with db.session.begin_nested():
        row_of(drive).name = "new"
    assert drive.held() != Held("value", 2), "nothing is committed yet"
    db.session.commit()
    assert '"name":"new"' in drive.row().body
    assert drive.read() == (drive.row(), Source.HIT)


def test_what_is_rolled_back_is_not_published(drive: Cached, published: list[Outcome]) -> None:
    row_of(drive).name = "never"
    db.session.flush()
    db.session.rollback()
    row_of(drive)
    db.session.commit()
    assert published == []
    assert drive.read() == (drive.row(), Source.HIT)


def test_a_repeated_write_publishes_nothing(drive: Cached, published: list[Outcome]) -> None:
    drive.change()
    assert len(published) == 1
    drive.lose()
    drive.change()
    assert len(published) == 1, "it does not hold the row"
    assert drive.held() == Held("pending", 2)
    assert drive.read()[0] == drive.row()
