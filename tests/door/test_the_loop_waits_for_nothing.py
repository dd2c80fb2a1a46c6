"""The event loop waits for nothing: no file, no name server, no database, no hash is ever asked for in its thread."""

import sys
import threading
import traceback
from collections.abc import Iterator
from typing import Any

import argon2
import pytest
from flask import Flask
from sqlalchemy import event

from testbed.people import PASSWORD, Person
from tests.door.costs import counted
from tests.shared.doors import DoorKeeper
from webapp.cache.redis import Cache
from webapp.database import db

WAITING = ("open", "os.listdir", "os.scandir", "socket.getaddrinfo", "socket.gethostbyname", "socket.connect")
WAITING += ("time.sleep", "sqlite3.connect", "subprocess.Popen", "os.system", "import")
"""What Python says (PEP 578) of what may wait."""


class Watch:
    """Notes what waits in one thread."""

    def __init__(self) -> None:
        self.thread_id: int | None = None
        self.seen: list[str] = []

    def note(self, what: str) -> None:
        if threading.get_ident() == self.thread_id:
            # Without its lines of source: to read those is to open files.
            stack = traceback.StackSummary.extract(traceback.walk_stack(None), limit=8, lookup_lines=False)
            self.seen.append(f"{what}: {[(frame.filename, frame.lineno) for frame in stack]}")

    def __call__(self, name: str, _arguments: Any) -> None:
        if name in WAITING:
            self.note(name)


@pytest.fixture(scope="session")
def audit() -> Watch:
    watch = Watch()
    sys.addaudithook(watch)  # It stays as long as the process: it notes nothing while it watches no thread.
    return watch


@pytest.fixture
def watch(audit: Watch, app: Flask, keeper: DoorKeeper, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """Watch the thread of the event loop, and what it would ask of the database, of hashes and of the lane."""
    verify = argon2.PasswordHasher.verify

    def noting_verify(*args: Any) -> bool:
        audit.note("argon2")
        return bool(verify(*args))

    def note_statement(*_: Any) -> None:
        audit.note("sql")

    monkeypatch.setattr(argon2.PasswordHasher, "verify", noting_verify)
    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note_statement)
    audit.seen.clear()
    audit.thread_id = keeper.thread_id
    yield audit
    audit.thread_id = None
    event.remove(engine, "before_cursor_execute", note_statement)


def a_day(person: Person) -> list[int]:
    """Do all that an app does, and some that it should not, and return the statuses."""
    drive = person.starts_a_drive()["id"]
    readings = [{"seq": n, "t": f"2026-01-05T08:00:{n:02d}Z", "speed_mps": 10.0} for n in range(10)]
    answers = [
        person.get("/users/me"),
        person.get("/users/me"),
        person.get(f"/sessions/{drive}"),
        person.get(f"/sessions/{drive}"),
        person.get(f"/sessions/{drive}", headers={"If-None-Match": '"1"'}),
        person.get("/sessions"),
        person.get("/sessions"),
        person.get("/sessions?status=active"),
        person.post(f"/sessions/{drive}/readings", json={"readings": readings}),
        person.post(f"/sessions/{drive}/readings", json={"readings": "none"}),
        person.post(f"/sessions/{drive}/end"),
        person.get("/nowhere"),
        person.client.get("/health/live"),
        person.client.get("/health"),
        person.client.get("/docs/"),
        person.client.post("/api/v1/auth/login", json={"email": person.email, "password": "wrong"}),
    ]
    return [answer.status_code for answer in answers]


def test_a_day_of_an_app_is_answered_and_the_loop_has_waited_for_nothing(
    alice: Person, app: Flask, watch: Watch
) -> None:
    with counted(app) as cost:
        statuses = a_day(alice)
    assert set(statuses) <= {200, 201, 304, 401, 404, 422}
    assert 0 < cost.calls_of_flask < len(statuses), "some were hot"
    assert watch.seen == []


def test_nor_does_it_when_redis_is_found_by_its_name_or_is_away(
    alice: Person, app: Flask, cache: Cache, keeper: DoorKeeper, watch: Watch
) -> None:
    for _ in range(2):
        alice.get("/users/me")
    keeper.run(cache.shared.close())
    cache.shared._connection.host = "localhost"
    with counted(app) as cost:
        assert alice.get("/users/me").status_code == 200
    assert cost.calls_of_flask == 0
    keeper.run(cache.shared.close())
    cache.shared._connection.host = "nowhere.invalid"
    with counted(app) as cost:
        assert alice.get("/users/me").status_code == 200
    assert cost.calls_of_flask == 1
    assert watch.seen == []


def test_the_watch_would_see_it(app: Flask, keeper: DoorKeeper, watch: Watch) -> None:
    async def wait() -> None:
        with open(__file__) as file:  # noqa: ASYNC230, PTH123 - this is what must not be
            file.read(1)
        with app.app_context(), db.engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
        hasher = argon2.PasswordHasher(memory_cost=8, parallelism=1)
        hasher.verify(hasher.hash(PASSWORD), PASSWORD)

    keeper.run(wait())
    assert {what.partition(":")[0] for what in watch.seen} >= {"open", "sql", "argon2"}
