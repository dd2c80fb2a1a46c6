"""Two hundred thousand pieces of a deleted drive go in the end, although the worker is killed in the middle of it."""

import threading
import time

import psycopg
import pytest

from testbed.api import Api
from testbed.driver import PASSWORD, Driver, expect
from testbed.fleet import Fleet
from tests.accounts import deleted_rows
from tests.accounts.deleted_rows import fill
from tests.e2e.tasks import send
from webapp import jobs

CHUNKS = 200_000
LEFT = "SELECT count(*) FROM reading_chunks WHERE session_id = %s"


class Bystander:
    """Another driver, who writes and reads all the time; leaving the block ends that."""

    def __init__(self, fleet: Fleet) -> None:
        self.took_s: list[float] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, args=(fleet.port,))

    def _go_on(self, port: int) -> None:
        with Api(port) as api:
            bob = Driver.registered(api)
            path = f"/sessions/{bob.starts_a_drive()['id']}"
            while not self._is_over.is_set():
                written = expect(200, bob.call("PATCH", path, {"name": f"{time.monotonic()}"}))
                read = expect(200, bob.call("GET", "/sessions?status=active"))
                self.took_s += [written.seconds, read.seconds]

    def __enter__(self) -> "Bystander":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()


@pytest.mark.timeout(400)
def test_a_killed_worker_loses_nothing_of_what_is_to_be_erased_and_nobody_waits(
    fleet: Fleet, fleet_database_url: str, alice: Driver
) -> None:
    session_id = alice.starts_a_drive()["id"]
    fill(fleet_database_url, deleted_rows.CHUNKS, session_id, CHUNKS)
    fill(fleet_database_url, "UPDATE driving_sessions SET readings_count = %s WHERE id = %s", CHUNKS, session_id)
    expect(204, alice.call("DELETE", "/users/me", {"password": PASSWORD}))
    expect(401, alice.call("GET", f"/sessions/{session_id}"))

    with (
        psycopg.connect(fleet_database_url.replace("+psycopg", ""), autocommit=True) as connection,
        Bystander(fleet) as bob,
    ):
        left = [CHUNKS]

        def fewer_are_left() -> bool:
            left.append(connection.execute(LEFT, (session_id,)).fetchone()[0])  # type: ignore[index]
            return left[-1] < left[0]

        for _ in range(2):
            send(fleet, jobs.ERASE_DELETED)
            fewer_are_left()
            left[0] = left[-1]
            fleet.wait(fewer_are_left, 40, "worker", "erase something")
            fleet.kill("worker")
            fleet.ensure("worker")
        while left[-1]:
            send(fleet, jobs.ERASE_DELETED)
            left[0] = left[-1]
            fleet.wait(fewer_are_left, 40, "worker", "go on")
    assert len(bob.took_s) > 50
    assert max(bob.took_s) < 2.0, f"the longest of {len(bob.took_s)} took {max(bob.took_s):.3f} s"
