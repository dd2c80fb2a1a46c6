"""A hundred people at once who register, and then log in: all wait their turn and succeed, and reads go on."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from embedded.postgres import Postgres
from embedded.valkey import Valkey
from testbed.api import Answer, Api
from testbed.driver import PASSWORD, Driver
from testbed.fleet import Fleet
from webapp.config import MIN_HASH_MEMORY_KIB

PEOPLE = 100
PATIENCE_S = 180.0
"""Far more than it takes, in s: how long it takes is measured by bench.crowds, on an idle machine."""


@pytest.fixture(scope="module")
def fleet(postgres: Postgres, fleet_valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two web workers that hash as in production, and no limit for the one address that all come from."""
    with Fleet(
        tmp_path_factory.mktemp("fleet-for-crowds"),
        {
            "DATABASE_URL": postgres.create_database("crowds"),
            "REDIS_URL": fleet_valkey.url.removesuffix("/0") + "/2",
            "PASSWORD_HASH_MEMORY_KIB": str(MIN_HASH_MEMORY_KIB),
            "RATELIMIT_ENABLED": "0",
        },
    ) as fleet:
        fleet.run("release")
        fleet.start("web")
        yield fleet


@contextmanager
def reading(port: int, driver: Driver, session_id: str) -> Iterator[list[Answer]]:
    """Read a session for as long as the block lasts, and lend the answers."""
    answers: list[Answer] = []
    ended = threading.Event()

    def read() -> None:
        with Api(port, timeout_s=PATIENCE_S) as api:
            while not ended.is_set():
                answers.append(driver.call("GET", f"/sessions/{session_id}", api=api))

    with ThreadPoolExecutor(1) as thread:
        reader = thread.submit(read)
        try:
            yield answers
        finally:
            ended.set()
            reader.result(PATIENCE_S)


def ask_at_once(port: int, path: str, bodies: list[dict[str, Any]]) -> list[int]:
    """Send all bodies together, each from somebody of their own, and return the statuses of the answers."""
    together = threading.Barrier(len(bodies))

    def ask(body: dict[str, Any]) -> int:
        with Api(port, timeout_s=PATIENCE_S) as api:
            together.wait(PATIENCE_S)
            return api.call("POST", f"/api/v1{path}", body=body).status

    with ThreadPoolExecutor(len(bodies)) as threads:
        return list(threads.map(ask, bodies))


def test_a_hundred_register_and_log_in_at_once_while_others_read(fleet: Fleet) -> None:
    accounts = [{"email": f"driver{number}@example.com", "password": PASSWORD} for number in range(PEOPLE)]
    with Api(fleet.port) as api:
        driver = Driver.registered(api)
        session = driver.starts_a_drive()
        with reading(fleet.port, driver, session["id"]) as reads:
            registered = ask_at_once(fleet.port, "/auth/register", [{**each, "full_name": "A"} for each in accounts])
            logged_in = ask_at_once(fleet.port, "/auth/login", accounts)
            before = len(reads)
    assert registered == [201] * PEOPLE
    assert logged_in == [200] * PEOPLE
    assert {answer.status for answer in reads} == {200}
    assert before > 10, "reads went on meanwhile"
