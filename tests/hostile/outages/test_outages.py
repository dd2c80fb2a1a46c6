"""What lasts beyond an outage, and outages that do not show themselves."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import psycopg
import pytest
import redis
from flask import Flask

from testbed.applications import believing
from tests.hostile.outages.driver import CALLS, Driver, change, log_in, log_out, refresh
from tests.hostile.outages.machines import REDIS_TROUBLES, Machines
from tests.shared.answers import assert_problem, assert_refused
from tests.shared.crowd import all_at_once
from tests.shared.elsewhere import at
from webapp.cache.redis import Cache
from webapp.database import db


@pytest.mark.parametrize("trouble", REDIS_TROUBLES)
def test_who_logs_out_in_trouble_stays_out_afterwards_in_every_process(machines: Machines, trouble: str) -> None:
    break_redis, mend_redis = REDIS_TROUBLES[trouble]
    with ExitStack() as stack:
        alice = Driver.prepared(machines, stack, "alice")
        # A process that watches Redis, as in production: nobody calls it while the trouble lasts.
        watching = stack.enter_context(machines.process(cache_probe_interval_ms=20))
        cache: Cache = watching.extensions["cache"]
        elsewhere = at(watching, alice.person)
        assert elsewhere.get(alice.path).status_code == 200
        break_redis(machines)
        try:
            if trouble in ("Redis hung", "Redis down", "Redis refuses writes"):
                wait_until(lambda: not cache.trust.believes())
            assert alice.person.post("/auth/logout").status_code == 204
            assert_refused(alice.person.get(alice.path), code="token_revoked")
        finally:
            mend_redis(machines)
        for person in (alice.person, elsewhere):
            assert_refused(person.get(alice.path), code="token_revoked")
        wait_until(cache.trust.believes)
        with suppress(redis.RedisError):
            believing(alice.person.client.application)
        for person in (alice.person, elsewhere):
            assert_refused(person.get(alice.path), code="token_revoked")


def wait_until(is_so: Callable[[], bool], at_most_s: float = 10) -> None:
    deadline = time.monotonic() + at_most_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_logged_out_token_is_not_let_in_when_everything_is_away(machines: Machines) -> None:
    with ExitStack() as stack:
        alice = Driver.prepared(machines, stack, "alice")
        assert alice.person.post("/auth/logout").status_code == 204
        machines.valkey.kill()
        machines.postgres.stop()
        try:
            assert_problem(alice.person.get(alice.path), 503)
            assert_refused(alice.person.get(alice.path, token="a.b.c"), code="token_invalid")
            assert_refused(alice.person.client.get(f"/api/v1{alice.path}"), code="token_missing")
            assert alice.person.client.get("/health/live").status_code == 200
            assert alice.person.client.get("/health/ready").status_code == 503
            health = alice.person.client.get("/health")
            assert (health.status_code, health.json["status"]) == (503, "down")
        finally:
            machines.valkey.start()
            machines.postgres.start()
        assert_refused(alice.person.get(alice.path), code="token_revoked")


def test_what_a_client_repeats_after_an_outage_succeeds(machines: Machines) -> None:
    with ExitStack() as stack:
        alice = Driver.prepared(machines, stack, "alice")
        machines.postgres.stop()
        try:
            for ask in (log_in, refresh, change, log_out):
                assert_problem(ask(alice), 503)
        finally:
            machines.postgres.start()
        assert change(alice).status_code == 200
        assert alice.person.get(alice.path).json["name"] == "new"
        alice.person.tokens = refresh(alice).json
        assert log_out(alice).status_code == 204


@pytest.mark.parametrize("trouble", ["Redis up", "Redis hung"])
def test_a_database_that_hangs_is_an_outage_within_seconds(machines: Machines, trouble: str) -> None:
    break_redis, mend_redis = REDIS_TROUBLES[trouble]
    with ExitStack() as stack:
        drivers = {name: Driver.prepared(machines, stack, name) for name in CALLS}
        machines.postgres.pause()
        break_redis(machines)
        try:
            began = time.monotonic()
            acts = [lambda ask=ask, driver=drivers[name]: ask(driver) for name, (ask, _) in CALLS.items()]
            answers = dict(zip(CALLS, all_at_once(acts), strict=True))
            took_s = time.monotonic() - began
        finally:
            mend_redis(machines)
            machines.postgres.resume()
    if trouble == "Redis up":
        assert answers.pop("a cached read").status_code == 200
    for answer in answers.values():
        assert_problem(answer, 503)
    assert took_s < 20  # About 6 s on an idle machine.


@contextmanager
def read_only(machines: Machines, app: Flask) -> Iterator[None]:
    """Have the database refuse writes, as a standby does, to all new connections."""

    def alter(change: str, to: str) -> None:
        with psycopg.connect(machines.database_url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(f"ALTER DATABASE broken {change} default_transaction_read_only{to}")
        with app.app_context():
            db.engine.dispose()

    alter("SET", " = on")
    try:
        yield
    finally:
        alter("RESET", "")


def test_a_database_that_takes_no_writes_is_an_outage_for_writes_only(machines: Machines) -> None:
    with ExitStack() as stack:
        alice = Driver.prepared(machines, stack, "alice")
        with read_only(machines, alice.person.client.application):
            assert alice.person.get("/sessions?status=active").status_code == 200
            for ask in (change, refresh, log_in, log_out):
                assert_problem(ask(alice), 503)
        assert change(alice).status_code == 200
