"""Redis away at any moment: reads and writes go on from the database, quickly, and hits come back afterwards."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from embedded.valkey import Valkey
from testbed.api import Answer, Api
from testbed.driver import Driver, expect
from testbed.fleet import Fleet
from tests.e2e.web_workers import connections, wait_for_hits

PROGRAMS = ("web", "worker", "beat")
SLOWEST_S = 1.0


@contextmanager
def killed(valkey: Valkey) -> Iterator[None]:
    valkey.kill()
    yield
    valkey.start()


@contextmanager
def hung(valkey: Valkey) -> Iterator[None]:
    valkey.pause()
    yield
    valkey.resume()


@contextmanager
def just_restarted_empty(valkey: Valkey) -> Iterator[None]:
    valkey.kill()
    valkey.start()
    yield


@pytest.fixture
def valkey_that_returns(fleet_valkey: Valkey) -> Iterator[Valkey]:
    """The fleet's Valkey, which works again after the test."""
    yield fleet_valkey
    if fleet_valkey.child.exit_code is None:
        fleet_valkey.resume()
    else:
        fleet_valkey.start()


def quick(status: int, answer: Answer) -> Answer:
    expect(status, answer)
    assert answer.seconds < SLOWEST_S
    return answer


@pytest.mark.parametrize("away", [killed, hung, just_restarted_empty])
def test_every_call_is_answered_from_the_database_and_hits_come_back(
    away: Callable[[Valkey], Iterator[None]], fleet: Fleet, valkey_that_returns: Valkey, alice: Driver
) -> None:
    session = alice.starts_a_drive(name="Before")
    path = f"/sessions/{session['id']}"
    with connections(fleet) as workers:
        wait_for_hits(workers, alice, session["id"])
        with away(valkey_that_returns):  # type: ignore[attr-defined]
            for worker in workers:
                assert quick(200, alice.call("GET", path, api=worker)).json["version"] >= session["version"]
            for number, worker in enumerate(workers):
                changed = quick(200, alice.call("PATCH", path, {"name": f"After {number}"}, api=worker)).json
                for reader in workers:
                    assert quick(200, alice.call("GET", path, api=reader)).json == changed
                first = alice.tokens
                assert alice.log_in().seconds < SLOWEST_S
                quick(204, alice.call("POST", "/auth/logout", token=first["access_token"], api=worker))
                for reader in workers:
                    quick(401, alice.call("GET", path, token=first["access_token"], api=reader))
                    quick(200, alice.call("GET", "/sessions", api=reader))
            ended = quick(200, alice.call("POST", f"{path}/end", {})).json
        wait_for_hits(workers, alice, session["id"])
        for name in PROGRAMS:
            assert fleet.is_running(name), f"{name} did not outlive it"
        for worker in workers:
            assert alice.call("GET", path, api=worker).json == ended
            expect(401, alice.call("GET", path, token=first["access_token"], api=worker))


def test_no_request_in_flight_fails_or_waits_while_redis_comes_and_goes(
    fleet: Fleet, valkey_that_returns: Valkey, alice: Driver
) -> None:
    path = f"/sessions/{alice.starts_a_drive()['id']}"
    over = threading.Event()
    answers: list[Answer] = []

    def call_again_and_again(method: str) -> None:
        with Api(fleet.port) as api:
            while not over.is_set():
                body = {"name": f"At {time.monotonic()}"} if method == "PATCH" else None
                answers.append(alice.call(method, path, body, api=api))
                over.wait(0.01)

    threads = [threading.Thread(target=call_again_and_again, args=(method,)) for method in ("GET", "PATCH", "GET")]
    for thread in threads:
        thread.start()
    try:
        for away in (killed, hung, just_restarted_empty):
            over.wait(0.5)
            with away(valkey_that_returns):
                over.wait(0.7)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert len(answers) > 50
    assert {answer.status for answer in answers} == {200}
    assert max(answer.seconds for answer in answers) < SLOWEST_S
