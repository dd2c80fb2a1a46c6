"""Nothing that Redis holds is served between trouble with it and the reconciliation after it."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from redis import RedisError
from sqlalchemy import update

from embedded.valkey import Valkey
from tests.coherence.interleave import cached_things
from tests.people import Person
from webapp import create_app
from webapp.cache import keys
from webapp.cache.redis import Cache, close_redis
from webapp.cache.trust import FROZEN_AFTER_S, Trust
from webapp.clock import utcnow
from webapp.config import Settings
from webapp.extensions import db
from webapp.models import DrivingSession

HIT, MISS, BYPASS = "session-cache; hit", "session-cache; fwd=miss", "session-cache; fwd=bypass"
TROUBLE = RedisError("no answer")


def read(driver: Person, path: str) -> tuple[str, str]:
    """Return the name of the drive as it is served, and where it came from."""
    answer = driver.get(path)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.get_json()["name"], answer.headers["Cache-Status"]


@pytest.fixture
def path(alice: Person) -> str:
    """The path of a drive of Alice's with the name "old", cached."""
    path = f"/sessions/{alice.starts_a_drive(name='old')['id']}"
    assert [read(alice, path) for _ in range(2)] == [("old", MISS), ("old", HIT)]
    return path


def rename_without_a_fence(app: Flask, name: str) -> None:
    """Change the drive as a process does that is cut off from Redis."""
    with app.app_context():
        renamed = update(DrivingSession).values(name=name, version=DrivingSession.version + 1, updated_at=utcnow())
        db.session.execute(renamed, execution_options={"changes_nothing_cached": True})
        db.session.commit()


@contextmanager
def configured(cache: Cache, name: str, value: str) -> Iterator[None]:
    """Give the server another setting for a while."""
    before = str(cache.client.config_get(name)[name])
    cache.client.config_set(name, value)
    try:
        yield
    finally:
        cache.client.config_set(name, before)


def test_an_old_value_is_not_served_between_trouble_and_reconciliation(
    app: Flask, alice: Person, cache: Cache, path: str
) -> None:
    cache.trust.doubt(TROUBLE, operation="test")
    rename_without_a_fence(app, "new")
    assert [read(alice, path) for _ in range(2)] == [("new", BYPASS)] * 2
    cache.trust.settle()
    assert [read(alice, path) for _ in range(2)] == [("new", MISS), ("new", HIT)]


def test_an_old_value_that_was_on_its_way_when_trouble_was_noticed_is_not_served(
    app: Flask, alice: Person, cache: Cache, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = cache.client.mget

    def fetch_while_another_thread_has_trouble(*args: object) -> object:
        answer = fetch(*args)  # type: ignore[arg-type]
        rename_without_a_fence(app, "new")
        cache.trust.doubt(TROUBLE, operation="test")
        return answer

    monkeypatch.setattr(cache.client, "mget", fetch_while_another_thread_has_trouble)
    # A browser's request, which the edge leaves to Flask.
    answer = alice.get(path, headers={"Origin": "https://app.example"})
    assert (answer.get_json()["name"], answer.headers["Cache-Status"]) == ("new", BYPASS)


def test_trouble_during_a_reconciliation_needs_another_one(app: Flask, alice: Person, cache: Cache, path: str) -> None:
    def compare_and_lose_the_connection() -> None:
        rename_without_a_fence(app, "new")
        cache.trust.doubt(TROUBLE, operation="test")

    cache.trust.doubt(TROUBLE, operation="test")
    cache.trust.reconcile_with(compare_and_lose_the_connection)
    cache.trust.settle()
    assert read(alice, path) == ("new", BYPASS)


def test_a_reconciliation_that_fails_settles_nothing(app: Flask, alice: Person, cache: Cache, path: str) -> None:
    def fail() -> None:
        raise TROUBLE

    cache.trust.doubt(TROUBLE, operation="test")
    cache.trust.reconcile_with(fail)
    with pytest.raises(RedisError):
        cache.trust.settle()
    rename_without_a_fence(app, "new")
    assert read(alice, path) == ("new", BYPASS)


def test_a_process_is_born_doubting(app: Flask, settings: Settings, alice: Person, path: str) -> None:
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


def test_a_write_is_acknowledged_and_read_while_redis_takes_no_fence(alice: Person, cache: Cache, path: str) -> None:
    with configured(cache, "min-replicas-to-write", "1"):  # It goes on answering reads.
        assert alice.patch(path, json={"name": "new"}).status_code == 200
        assert read(alice, path) == ("new", BYPASS)
        with pytest.raises(RedisError):
            cache.trust.settle()
        assert read(alice, path) == ("new", BYPASS)
    cache.trust.settle()
    assert [read(alice, path) for _ in range(2)] == [("new", MISS), ("new", HIT)]


def test_a_full_redis_forgets_an_old_value_all_the_same(alice: Person, cache: Cache, path: str) -> None:
    with configured(cache, "maxmemory", "1"):
        assert alice.patch(path, json={"name": "new"}).status_code == 200
        assert read(alice, path)[0] == "new"
    cache.trust.settle()
    assert [read(alice, path) for _ in range(2)] == [("new", MISS), ("new", HIT)]


def test_a_full_redis_is_believed_because_it_takes_fences(alice: Person, cache: Cache, path: str) -> None:
    with configured(cache, "maxmemory", "1"):
        assert alice.get("/sessions").status_code == 200, "there is no memory for a lease"
        assert read(alice, path) == ("old", HIT)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    """A server of this test's own, to be killed."""
    with Valkey(data_dir=tmp_path / "valkey") as server:
        yield server


@pytest.fixture
def app_on_server(app: Flask, settings: Settings, server: Valkey) -> Iterator[Flask]:
    """An application on that server, which it believes."""
    client_class = app.test_client_class
    app = create_app(settings.model_copy(update={"redis_url": server.url}))
    app.test_client_class = client_class
    app.extensions["cache"].trust.believes()
    app.extensions["cache"].trust.settle()
    yield app
    close_redis(app)
    with app.app_context():
        db.engine.dispose()


def test_a_server_restarted_from_an_old_snapshot_revives_neither_old_values_nor_ended_logins(
    app_on_server: Flask, server: Valkey
) -> None:
    alice = Person.registered(app_on_server, "alice@example.com")
    ended = alice.tokens["access_token"]
    alice.log_in()
    path = f"/sessions/{alice.starts_a_drive(name='old')['id']}"
    assert alice.get("/sessions", token=ended).get_json()["data"][0]["name"] == "old"
    assert [read(alice, path) for _ in range(2)] == [("old", MISS), ("old", HIT)]
    cache: Cache = app_on_server.extensions["cache"]
    cache.client.save()
    assert alice.patch(path, json={"name": "new"}).status_code == 200
    assert alice.post("/auth/logout", token=ended).status_code == 204

    server.kill()
    server.start()
    snapshot = cache.client.mget(keys.session(path.rpartition("/")[2]), keys.session_list(alice.id))
    assert all(raw is not None and '"name":"old"' in str(raw) for raw in snapshot), "the old values are there again"
    assert cache.trust.believes(), "the restart went unnoticed, but for the new connections"
    assert [read(alice, path) for _ in range(2)] == [("new", MISS), ("new", HIT)]
    assert alice.get("/sessions").get_json()["data"][0]["name"] == "new"
    assert alice.get("/users/me", token=ended).status_code == 401


def test_a_lease_of_a_server_that_was_restarted_is_worth_nothing(app_on_server: Flask, server: Valkey) -> None:
    cache: Cache = app_on_server.extensions["cache"]
    drive = cached_things(cache, Person.registered(app_on_server, "alice@example.com"))["session"]

    def restart_and_change() -> None:
        cache.client.save()
        server.kill()
        server.start()
        drive.change()
        drive.lose()

    with app_on_server.app_context():
        before, _ = drive.read(then=restart_and_change)
        assert drive.held().state == "absent"
        assert drive.read()[0] == drive.row() != before


def test_a_process_that_was_frozen_doubts_until_it_has_compared(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    watching = Trust(cache.entries, probe_interval_s=0.01)
    compared = threading.Event()
    watching.reconcile_with(compared.set)
    try:
        wait_until(watching.believes)
        compared.clear()
        monkeypatch.setattr(watching, "_probed_at", time.monotonic() - FROZEN_AFTER_S - 1)
        assert not watching.believes()
        assert compared.wait(5)
        wait_until(watching.believes)
    finally:
        watching.stop()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Of forks in a process with threads.
def test_a_forked_child_doubts_what_its_parent_believes(cache: Cache) -> None:
    assert cache.trust.believes()
    child = os.fork()
    if child == 0:
        os._exit(1 if cache.trust.believes() else 0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert cache.trust.believes()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
