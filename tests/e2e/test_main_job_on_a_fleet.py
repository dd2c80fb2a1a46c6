"""The main job by real processes: drive, be read from the cache that the worker warmed, log out."""

from collections.abc import Iterator

import pytest
import redis

from embedded.valkey import Valkey
from testbed.api import Api
from testbed.driver import Driver, expect
from testbed.fleet import PLAIN_WSGI, Fleet, procfile
from tests.e2e.waiting import wait_until_cached
from tests.e2e.web_workers import connections, wait_for_hits


@pytest.fixture(scope="module", params=["PostgreSQL", "SQLite", "plain WSGI"])
def fleet_on(
    request: pytest.FixtureRequest, fleet_valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    standing: Fleet = request.getfixturevalue("standing_fleet")
    if request.param == "PostgreSQL":
        standing.ensure("web", "worker", "beat")
        yield standing
        return
    # No DATABASE_URL: a file under VAR_DIR. Another Redis database: the worker must not get the other fleet's tasks.
    redis_url = fleet_valkey.url.removesuffix("/0") + ("/1" if request.param == "SQLite" else "/2")
    commands = procfile() | ({"web": PLAIN_WSGI} if request.param == "plain WSGI" else {})
    with Fleet(tmp_path_factory.mktemp("fleet-on-sqlite"), {"REDIS_URL": redis_url}, commands) as fleet:
        fleet.run("release")
        fleet.ensure("web", "worker", "beat")
        yield fleet


@pytest.fixture
def cached_on(fleet_on: Fleet) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(fleet_on.environment["REDIS_URL"], decode_responses=True) as client:
        yield client


def test_a_drive_is_recorded_and_read_from_the_cache_that_the_worker_warmed(
    fleet_on: Fleet, cached_on: redis.Redis
) -> None:
    with Api(fleet_on.port) as api, connections(fleet_on) as workers:
        alice = Driver.registered(api)
        session = alice.starts_a_drive(name="To work", started_at="2026-01-05T08:00:00Z")
        wait_for_hits(workers, alice, session["id"])
        path = f"/sessions/{session['id']}"
        readings = [{"seq": n, "t": f"2026-01-05T08:00:{n:02d}.000Z", "speed_mps": 10.0} for n in range(11)]
        receipt = expect(200, alice.call("POST", f"{path}/readings", {"readings": readings})).json
        assert receipt["accepted"] == 11
        ended = expect(200, alice.call("POST", f"{path}/end", {"ended_at": "2026-01-05T08:00:10Z"})).json
        assert ended["summary"]["distance_m"] == 100.0

        wait_until_cached(cached_on, session["id"], ended["version"])
        for worker in workers:
            first_read = expect(200, alice.call("GET", path, api=worker))
            assert first_read.cache_status == "hit"
            assert first_read.json == ended


def test_after_a_logout_every_web_worker_refuses_the_tokens(fleet_on: Fleet) -> None:
    with Api(fleet_on.port) as api, connections(fleet_on) as workers:
        alice = Driver.registered(api)
        session = alice.starts_a_drive()
        wait_for_hits(workers, alice, session["id"])
        expect(204, alice.call("POST", "/auth/logout"))
        for worker in workers:
            expect(401, alice.call("GET", f"/sessions/{session['id']}", api=worker))
            expect(401, alice.call("GET", "/users/me", api=worker))
            expect(401, alice.call("POST", "/auth/refresh", api=worker, token=alice.tokens["refresh_token"]))
