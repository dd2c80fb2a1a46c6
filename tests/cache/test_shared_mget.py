"""MGET for an event loop: one connection, whose troubles are `trust`'s business."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from embedded.valkey import Valkey
from tests.conftest import SECRET
from webapp import create_app
from webapp.cache.redis import Cache, close_redis
from webapp.config import Settings


@pytest.fixture
def server() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


@pytest.fixture
def cache(server: Valkey, tmp_path: Any) -> Iterator[Cache]:
    given = {"redis_url": server.url, "var_dir": tmp_path, "jwt_secret_key": SECRET, "cache_probe_interval_ms": 0}
    app = create_app(Settings(**given, log_level="WARNING"))
    cache: Cache = app.extensions["cache"]
    cache.trust.watch()
    yield cache
    close_redis(app)


def run(cache: Cache, *steps: Callable[[], object]) -> list[Any]:
    """Ask for one key before the first step and after each of them, in one event loop."""

    async def ask() -> list[Any]:
        found = [await cache.shared.fetch(["k"])]
        for step in steps:
            step()
            found.append(await cache.shared.fetch(["k"]))
        await cache.shared.close()
        return found

    return asyncio.run(ask())


def doubts(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what is doubted from now on."""
    noted: list[str] = []
    monkeypatch.setattr(cache.trust, "doubt", lambda error, operation: noted.append(type(error).__name__))
    return noted


def test_each_gets_what_it_asked_for(cache: Cache) -> None:
    cache.client.mset({f"k{number}": number for number in range(100)})

    async def ask() -> list[Any]:
        questions = [cache.shared.fetch([f"k{number}", "nothing"]) for number in range(100)]
        found = await asyncio.gather(*questions)
        await cache.shared.close()
        return found

    assert asyncio.run(ask()) == [[str(number), None] for number in range(100)]


def test_a_connection_that_the_server_has_closed_is_made_anew(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.client.set("k", "1")
    noted = doubts(cache, monkeypatch)
    others = lambda: cache.client.client_kill_filter(_type="normal", skipme=True)  # noqa: E731
    assert run(cache, others) == [["1"], ["1"]]
    assert noted == []


def test_a_server_that_is_gone_is_doubted(cache: Cache, server: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = doubts(cache, monkeypatch)
    assert run(cache, server.stop) == [[None], None]
    assert noted == ["ConnectionError"]


def test_a_server_that_hangs_is_doubted_after_a_moment_by_everybody_at_once(
    cache: Cache, server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = doubts(cache, monkeypatch)

    async def ask() -> tuple[list[Any], float]:
        loop = asyncio.get_running_loop()
        await cache.shared.fetch(["k"])
        server.pause()
        began = loop.time()
        found = await asyncio.gather(*(cache.shared.fetch(["k"]) for _ in range(20)))
        took_s = loop.time() - began
        server.resume()
        await cache.shared.close()
        return found, took_s

    found, took_s = asyncio.run(ask())
    assert found == [None] * 20
    assert took_s < 0.5
    assert set(noted) == {"TimeoutError"}


def test_an_answer_that_comes_late_is_nobodys(cache: Cache, server: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.client.set("k", "1")
    doubts(cache, monkeypatch)
    found = run(cache, server.pause, lambda: (server.resume(), cache.client.set("k", "2")))
    assert found == [["1"], None, ["2"]]


def test_a_connection_to_a_server_that_was_left_is_not_used_again(cache: Cache) -> None:
    cache.client.set("k", "1")

    def connections() -> int:
        return int(cache.client.info("stats")["total_connections_received"])

    made: list[int] = []
    run(cache, lambda: made.append(connections()), lambda: (made.append(connections()), cache.stamp.leave()))
    assert made[0] == made[1]
    assert connections() > made[1]
    # What it learned on the way is what a new connection of a thread would have.
    assert cache.client.get("k") == "1"


def test_what_the_connection_meets_first_is_the_stamp_of_the_server(cache: Cache) -> None:
    before = cache.stamp.text
    run(cache)
    assert cache.stamp.text != before, "nobody else has asked which server it is"
