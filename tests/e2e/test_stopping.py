"""A process manager's TERM: every process ends in time, with code 0, and nothing that was acknowledged is lost."""

import threading
import time

import psycopg

from embedded.valkey import Valkey
from testbed.api import Api, NoAnswer
from testbed.driver import Driver
from testbed.fleet import STOP_TIMEOUT_S, Fleet
from tests.embedded.family import survivors

HEARTBEAT_S = 2.0
"""How often a worker speaks to its broker of its own accord, in s."""

PROGRAMS = ("web", "worker", "beat")


def test_a_term_ends_every_process_in_time_and_loses_no_acknowledged_write(
    fleet: Fleet, fleet_database_url: str, alice: Driver
) -> None:
    sessions = [alice.starts_a_drive()["id"]]
    for _ in range(2):
        alice.call("POST", f"/sessions/{sessions[-1]}/end", {})
        sessions.append(alice.starts_a_drive()["id"])
    acknowledged: dict[str, int] = {}
    writing = threading.Barrier(len(sessions) + 1)

    def write_until_the_end(session_id: str) -> None:
        with Api(fleet.port) as api:
            for number in range(100_000):
                try:
                    answer = alice.call("PATCH", f"/sessions/{session_id}", {"name": f"Write {number}"}, api=api)
                except NoAnswer:
                    return
                if answer.status == 200:
                    acknowledged[session_id] = answer.json["version"]
                if number == 20:
                    writing.wait(timeout=30)

    threads = [threading.Thread(target=write_until_the_end, args=(session_id,)) for session_id in sessions]
    for thread in threads:
        thread.start()
    writing.wait(timeout=30)
    family = [child for name in PROGRAMS for child in fleet.children(name)]
    started = time.monotonic()
    exit_codes = dict(zip(PROGRAMS, fleet.stop(*PROGRAMS), strict=True))
    took_s = time.monotonic() - started
    for thread in threads:
        thread.join()

    assert exit_codes == dict.fromkeys(PROGRAMS, 0)
    assert took_s < STOP_TIMEOUT_S
    assert survivors(family) == []
    with psycopg.connect(fleet_database_url.replace("postgresql+psycopg", "postgresql")) as connection:
        query = "SELECT id::text, version FROM driving_sessions WHERE id = ANY(%s::uuid[])"
        kept: dict[str, int] = dict(connection.execute(query, (sessions,)).fetchall())
    assert acknowledged.keys() == kept.keys()
    for session_id, version in acknowledged.items():
        # A last write may have been done whose answer did not come through.
        assert version <= kept[session_id] <= version + 1


def test_the_worker_ends_on_a_term_while_redis_hangs(fleet: Fleet, fleet_valkey: Valkey) -> None:
    fleet_valkey.pause()
    try:
        time.sleep(HEARTBEAT_S)  # It has noticed, and tries to connect again.
        assert fleet.stop("worker") == [0]
    finally:
        fleet_valkey.resume()


def test_beat_makes_the_folder_that_it_keeps_its_schedule_in(fleet: Fleet) -> None:
    missing = fleet.folder / "not" / "there" / "celerybeat-schedule"
    fleet.start("beat", name="another beat", CELERYBEAT_SCHEDULE_FILENAME=str(missing))

    def is_written() -> bool:
        return missing.parent.is_dir() and any(path.stat().st_size for path in missing.parent.iterdir())

    fleet.wait(is_written, 10, "another beat", "write its schedule")
    assert fleet.stop("another beat") == [0]
