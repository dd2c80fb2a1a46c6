"""What a writer does whose fence is refused: it owes it, in the same transaction, and waits until nobody believes."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from redis import RedisError
from sqlalchemy import delete, func, select

from testbed.applications import believing, closed
from testbed.people import Person
from tests.shared.doors import clients_of
from tests.shared.elsewhere import at
from tests.shared.interleave import at_commit
from tests.shared.meanwhile import wait_until
from webapp import create_app
from webapp.cache import coherence, debts
from webapp.cache.debts import WAIT_S, Debts, owe
from webapp.cache.entries import Held
from webapp.cache.redis import Cache
from webapp.config import Settings
from webapp.database import db
from webapp.driving.cached_sessions import SESSIONS
from webapp.models import DrivingSession, MissedFence


@pytest.fixture(autouse=True)
def standing(app: Flask, cache: Cache) -> Iterator[None]:
    """Lend the test a context, and leave no debts and no refusals to the next one."""
    with app.app_context():
        yield
        cache.client.config_set("min-replicas-to-write", 0)
        db.session.execute(delete(MissedFence))
        db.session.commit()


@pytest.fixture
def path(alice: Person) -> str:
    """The path of a drive of Alice's with the name "old", cached."""
    path = f"/sessions/{alice.starts_a_drive(name='old')['id']}"
    assert [alice.get(path).json["name"] for _ in range(2)] == ["old"] * 2
    return path


@contextmanager
def refusing(cache: Cache) -> Iterator[None]:
    """Have Redis take no writes for a while."""
    cache.client.config_set("min-replicas-to-write", 1)
    try:
        yield
    finally:
        cache.client.config_set("min-replicas-to-write", 0)


def owed() -> int:
    """Return how many debts there are."""
    with db.engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(MissedFence)) or 0


def seconds_of(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def test_a_refused_fence_is_owed_from_the_commit_on(app: Flask, alice: Person, cache: Cache, path: str) -> None:
    with refusing(cache):
        assert alice.patch(path, json={"name": "new"}).status_code == 200
    assert owed() == 1, "the session: a new name changes no list"


def test_a_refused_fence_of_what_changes_the_list_too_is_owed_for_both(alice: Person, cache: Cache, path: str) -> None:
    with refusing(cache):
        assert alice.post(f"{path}/end", json={}).status_code == 200
    assert owed() == 2, "the session and the list"


def test_a_writer_whose_fence_is_refused_waits_until_nobody_believes_any_more(
    alice: Person, cache: Cache, path: str
) -> None:
    with refusing(cache):
        assert seconds_of(lambda: alice.patch(path, json={"name": "new"})) > WAIT_S


def test_a_writer_that_alone_is_cut_off_is_made_up_for_by_somebody_else_before_it_acknowledges(
    app: Flask, settings: Settings, alice: Person, cut_off: Person, path: str
) -> None:
    watching = believing(create_app(settings.model_copy(update={"cache_probe_interval_ms": 20})))
    reader = Person(watching.test_client(), alice.email, alice.id, alice.tokens)
    try:
        assert reader.get(path).headers["Cache-Status"] == "session-cache; hit"
        for number in range(5):
            assert cut_off.patch(path, json={"name": f"new {number}"}).status_code == 200
            assert reader.get(path).json["name"] == f"new {number}"
        assert owed() == 0
    finally:
        closed(watching)


def test_a_writer_does_not_wait_when_redis_takes_the_fence_after_all(
    app: Flask, alice: Person, cache: Cache, path: str
) -> None:
    cache.client.config_set("min-replicas-to-write", 1)
    with at_commit(lambda: cache.client.config_set("min-replicas-to-write", 0)):
        assert seconds_of(lambda: alice.patch(path, json={"name": "new"})) < WAIT_S
    assert owed() == 0


def test_a_writer_goes_on_trying_while_it_waits(app: Flask, alice: Person, cache: Cache, path: str) -> None:
    with refusing(cache):
        writer = threading.Thread(target=lambda: alice.patch(path, json={"name": "new"}))
        writer.start()
        time.sleep(WAIT_S / 3)
    assert seconds_of(writer.join) < WAIT_S / 3
    assert owed() == 0


def test_in_a_long_outage_only_the_first_writers_wait(
    alice: Person, cache: Cache, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with refusing(cache):
        alice.patch(path, json={"name": "first"})
        for _ in range(2):  # As a process that watches does all the time.
            assert not cache.debts.look()
            time.sleep(WAIT_S)
        pauses: list[float] = []
        monkeypatch.setattr(debts.time, "sleep", pauses.append)
        assert alice.patch(path, json={"name": "second"}).status_code == 200
        assert pauses == []


def test_a_debt_that_is_young_is_no_reason_not_to_wait(alice: Person, cache: Cache, path: str) -> None:
    with refusing(cache):
        alice.patch(path, json={"name": "first"})
        assert not cache.debts.look()
        assert seconds_of(lambda: alice.patch(path, json={"name": "second"})) > WAIT_S / 2


def test_a_fence_that_is_refused_only_after_the_commit_is_owed_afterwards(
    app: Flask, alice: Person, cache: Cache, path: str
) -> None:
    with at_commit(lambda: cache.client.config_set("min-replicas-to-write", 1)):
        assert seconds_of(lambda: alice.patch(path, json={"name": "new"})) > WAIT_S
    cache.client.config_set("min-replicas-to-write", 0)
    assert owed() == 1


def test_a_change_that_can_neither_be_fenced_nor_owed_is_not_acknowledged(
    app: Flask, alice: Person, cache: Cache, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debts, "GIVE_UP_S", 0.1)

    def lock_the_debts_away() -> None:
        cache.client.config_set("min-replicas-to-write", 1)
        blocking.exec_driver_sql("LOCK TABLE missed_fences IN ACCESS EXCLUSIVE MODE")

    with db.engine.connect() as blocking, at_commit(lock_the_debts_away):
        answer = alice.patch(path, json={"name": "new"})
    cache.client.config_set("min-replicas-to-write", 0)
    assert answer.status_code in (409, 503), "its outcome is unknown to the client"


def test_a_write_that_is_rolled_back_owes_nothing(app: Flask, alice: Person, cache: Cache, path: str) -> None:
    drive = db.session.get_one(DrivingSession, path.rpartition("/")[2])
    drive.name = "never"
    with refusing(cache):
        coherence._fence_before_commit(db.session())
        assert db.session.scalar(select(func.count()).select_from(MissedFence)) == 1
        db.session.rollback()
    assert owed() == 0


def test_debts_stand_until_redis_has_taken_their_fences(app: Flask, alice: Person, cache: Cache, path: str) -> None:
    key = SESSIONS.key(path.rpartition("/")[2])
    with db.engine.begin() as connection:
        owe(connection, {key: 2})
    with refusing(cache), pytest.raises(RedisError):
        cache.debts.pay()
    assert owed() == 1
    assert not cache.debts.look()
    cache.debts.pay()
    assert cache.entries.held([key]) == [Held("pending", 2)]
    assert owed() == 0
    assert cache.debts.look()


def test_processes_share_the_debts_and_none_believes_before_all_are_paid(
    app: Flask, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    with db.engine.begin() as connection:
        owe(connection, {SESSIONS.key(f"one {number}"): 1 for number in range(debts.BATCH)})
        owe(connection, {SESSIONS.key(f"other {number}"): 1 for number in range(10)})
    taken, may_go_on = threading.Event(), threading.Event()
    fence = cache.entries.fence

    def fence_slowly(*arguments: Any) -> set[str]:
        taken.set()
        assert may_go_on.wait(30)
        return fence(*arguments)

    monkeypatch.setattr(cache.entries, "fence", fence_slowly)
    slow = threading.Thread(target=cache.debts.pay)
    slow.start()
    assert taken.wait(10)
    other = create_app(app.config["SETTINGS"])
    try:
        others: Debts = other.extensions["cache"].debts
        others.pay()
        assert owed() == debts.BATCH, "it takes what is left"
        assert not others.look(), "what somebody else is paying is not paid yet"
        may_go_on.set()
        slow.join()
        assert others.look()
    finally:
        closed(other)


def test_a_writer_that_waits_lends_its_place_to_others(
    settings: Settings, alice: Person, cache: Cache, path: str, way_in: str
) -> None:
    busy = create_app(settings)
    clients = clients_of(busy, way_in)
    with refusing(cache):
        writes = [
            clients.submit(at(busy, alice).patch, path, json={"name": f"{number}"})
            for number in range(settings.web_threads)
        ]
        wait_until(lambda: owed() > 0)
        assert clients.submit(at(busy, alice).get, "/users/me").result(WAIT_S / 2).status_code == 200
    assert {write.result(30).status_code for write in writes} == {200}
    clients.shutdown()
    closed(busy)
