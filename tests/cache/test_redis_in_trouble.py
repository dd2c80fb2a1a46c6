"""Whatever happens to Redis: reads and writes stay right, and the caller sees no error."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from testbed.people import Person
from webapp.cache.redis import Cache
from webapp.database import db


@pytest.fixture(autouse=True)
def as_it_was(cache: Cache) -> Iterator[None]:
    """Leave the server as the next test expects it."""
    yield
    cache.client.config_set("maxmemory", 0)
    cache.client.config_set("min-replicas-to-write", 0)
    cache.client.flushall()


def full(cache: Cache) -> None:
    cache.client.config_set("maxmemory-policy", "noeviction")
    cache.client.config_set("maxmemory", 1)


def refusing_writes(cache: Cache) -> None:
    # As a replica does, and a primary that has lost its replicas: reads are answered, writes are not.
    cache.client.config_set("min-replicas-to-write", 1)


def flushed(cache: Cache) -> None:
    cache.client.flushall()


def full_of_garbage(cache: Cache) -> None:
    for key in cache.client.keys("*"):
        cache.client.set(str(key), "v|broken")


def full_of_other_types(cache: Cache) -> None:
    for key in cache.client.keys("*"):
        cache.client.delete(str(key))
        cache.client.lpush(str(key), "not a string")


TROUBLES = (full, refusing_writes, flushed, full_of_garbage, full_of_other_types)


@pytest.mark.parametrize("cause", TROUBLES, ids=lambda cause: cause.__name__)
def test_reads_and_writes_stay_right(alice: Person, cache: Cache, cause: Callable[[Cache], None]) -> None:
    path = f"/sessions/{alice.starts_a_drive(name='0', started_at='2026-01-05T08:00:00Z')['id']}"
    alice.get(path)
    alice.get("/sessions")
    cause(cache)
    for n in range(1, 4):
        name = str(n)
        assert alice.patch(path, json={"name": name}).status_code == 200
        assert [alice.get(path).json["name"] for _ in range(3)] == [name] * 3
        assert alice.get("/sessions").json["data"][0]["name"] == name
    alice.log_in()
    assert alice.get(path).json["name"] == "3"
    assert alice.post("/auth/logout").status_code == 204
    assert alice.get(path).status_code == 401


def test_a_full_redis_is_still_believed(alice: Person, cache: Cache) -> None:
    path = f"/sessions/{alice.starts_a_drive()['id']}"
    alice.get(path)
    full(cache)
    assert alice.get(path).headers["Cache-Status"] == "session-cache; hit"
    alice.patch(path, json={"name": "new"})
    assert alice.get(path).headers["Cache-Status"] == "session-cache; fwd=miss"
    assert cache.trust.believes()


def test_a_redis_that_takes_no_fence_is_not_believed(app: Flask, alice: Person, cache: Cache) -> None:
    path = f"/sessions/{alice.starts_a_drive()['id']}"
    alice.get(path)
    refusing_writes(cache)
    alice.patch(path, json={"name": "new"})
    assert not cache.trust.believes()
    assert alice.get(path).headers["Cache-Status"] == "session-cache; fwd=bypass"
    cache.client.config_set("min-replicas-to-write", 0)
    with app.app_context():
        cache.trust.settle()
    assert alice.get(path).json["name"] == "new"


def test_two_hundred_readers_of_one_cold_key_cause_one_load(
    app: Flask, alice: Person, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    from webapp.cache import fills
    from webapp.driving.cached_sessions import SESSIONS

    session_id = alice.starts_a_drive()["id"]
    cache.client.delete(SESSIONS.key(session_id))
    loads: list[Any] = []
    load = SESSIONS.load
    monkeypatch.setitem(SESSIONS.__dict__, "load", lambda *args: (loads.append(args), load(*args))[1])
    start, bodies = threading.Barrier(200), []

    def read() -> None:
        with app.app_context():
            start.wait()
            bodies.append(fills.get(SESSIONS, session_id)[0].body)
            db.session.remove()

    threads = [threading.Thread(target=read) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(loads), len(bodies), len(set(bodies))) == (1, 200, 1)
