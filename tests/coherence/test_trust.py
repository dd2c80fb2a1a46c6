"""A process believes what it found while the table of debts was empty, for half a second, and nothing else."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from flask import Flask
from redis import RedisError
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from tests.people import Person
from webapp import create_app
from webapp.cache import keys, trust
from webapp.cache.debts import owe
from webapp.cache.redis import Cache, close_redis
from webapp.cache.trust import BELIEF_S, Trust
from webapp.clock import utcnow
from webapp.config import Settings
from webapp.extensions import db
from webapp.models import DrivingSession

HIT, MISS, BYPASS = "session-cache; hit", "session-cache; fwd=miss", "session-cache; fwd=bypass"
TROUBLE = RedisError("no answer")
UNREADABLE = OperationalError("SELECT", {}, Exception("no answer"))


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


def rename_and_owe_the_fence(app: Flask, path: str, name: str) -> None:
    """Change the drive as a process does that is cut off from Redis."""
    with app.app_context():
        renamed = update(DrivingSession).values(name=name, version=DrivingSession.version + 1, updated_at=utcnow())
        db.session.execute(renamed, execution_options={"changes_nothing_cached": True})
        owe(db.session.connection(), {keys.session(path.rpartition("/")[2]): 2})
        db.session.commit()


def test_a_debt_is_paid_before_redis_is_believed_again(app: Flask, alice: Person, cache: Cache, path: str) -> None:
    cache.trust.doubt(TROUBLE, operation="test")
    rename_and_owe_the_fence(app, path, "new")
    assert [read(alice, path) for _ in range(2)] == [("new", BYPASS)] * 2
    cache.trust.settle()
    assert [read(alice, path) for _ in range(2)] == [("new", MISS), ("new", HIT)]


def test_trouble_while_looking_needs_another_look(app: Flask, alice: Person, cache: Cache, path: str) -> None:
    look = cache.debts.look

    def look_and_lose_the_connection() -> bool:
        found_none = look()
        cache.trust.doubt(TROUBLE, operation="test")
        return found_none

    cache.trust.doubt(TROUBLE, operation="test")
    cache.trust.look_with(look_and_lose_the_connection)
    cache.trust.settle()
    assert read(alice, path) == ("old", BYPASS)


def test_a_look_that_fails_settles_nothing(alice: Person, cache: Cache, path: str) -> None:
    def fail() -> bool:
        raise UNREADABLE

    cache.trust.doubt(TROUBLE, operation="test")
    cache.trust.look_with(fail)
    with pytest.raises(OperationalError):
        cache.trust.settle()
    assert read(alice, path) == ("old", BYPASS)


def test_a_process_is_born_doubting(settings: Settings, alice: Person, path: str) -> None:
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


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Of forks in a process with threads.
def test_a_forked_child_doubts_what_its_parent_believes(cache: Cache) -> None:
    assert cache.trust.believes()
    child = os.fork()
    if child == 0:
        os._exit(1 if cache.trust.believes() else 0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert cache.trust.believes()


@dataclass
class Outside:
    """What a process finds when it looks, and how often it has looked."""

    debts: int = 0
    redis_error: Exception | None = None
    database_error: Exception | None = None
    probes: int = 0
    looks: int = 0
    waits: threading.Event = field(default_factory=threading.Event)

    def probe(self, _key: str, _beat: int) -> None:
        self.probes += 1
        if self.redis_error:
            raise self.redis_error

    def look(self) -> bool:
        self.looks += 1
        if self.database_error:
            raise self.database_error
        if self.debts:
            self.debts -= 1
            return False
        return True

    def leave(self) -> None:
        """Nothing to leave."""


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture
def watching(outside: Outside) -> Iterator[Trust]:
    """A process that watches, and believes."""
    watching = Trust(0.01, outside.probe, outside.leave)
    watching.look_with(outside.look)
    watching.believes()
    wait_until(watching.believes)
    yield watching
    watching.stop()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_process_that_cannot_read_the_debts_any_more_soon_believes_nothing(
    watching: Trust, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = threading.Event()
    watching.look_with(lambda: hanging.wait(10))
    time.sleep(BELIEF_S * 1.1)
    assert not watching.believes(), "whether the database or this process is slow cannot be told"
    hanging.set()
    wait_until(watching.believes)


def test_a_process_whose_database_is_away_goes_on_while_every_probe_is_accepted(
    watching: Trust, outside: Outside
) -> None:
    outside.database_error = UNREADABLE
    time.sleep(BELIEF_S * 1.5)
    assert watching.believes()
    outside.redis_error = TROUBLE
    wait_until(lambda: not watching.believes())
    outside.redis_error = None
    probes = outside.probes
    wait_until(lambda: outside.probes > probes + 3)
    assert not watching.believes(), "there may be debts that it cannot see"
    outside.database_error = None
    wait_until(watching.believes)


def test_a_process_that_fell_asleep_for_long_does_not_go_on_by_probes(watching: Trust, outside: Outside) -> None:
    outside.database_error = UNREADABLE
    looks = outside.looks
    wait_until(lambda: outside.looks > looks + 2)
    with watching._lock:  # Both threads stand still, as in a process that was stopped.
        time.sleep(BELIEF_S * 1.2)
    probes = outside.probes
    wait_until(lambda: outside.probes > probes + 2)
    assert not watching.believes()


def test_who_finds_debts_does_not_believe_until_a_look_finds_none(watching: Trust, outside: Outside) -> None:
    outside.debts = 50
    wait_until(lambda: outside.debts < 50)
    assert not watching.believes()
    wait_until(watching.believes)
    assert outside.debts == 0


def test_who_finds_debts_does_not_go_on_by_probes_when_the_database_goes_away(
    watching: Trust, outside: Outside
) -> None:
    outside.debts = 1
    wait_until(lambda: outside.debts == 0)
    outside.database_error = UNREADABLE
    watching._note_debts()
    probes = outside.probes
    wait_until(lambda: outside.probes > probes + 3)
    assert not watching.believes()


def test_a_read_that_began_before_trouble_with_redis_does_not_make_it_believed(
    watching: Trust, outside: Outside
) -> None:
    began = trust.boottime()
    watching.stop()
    watching.doubt(TROUBLE, operation="test")
    watching._note_probe(began)
    watching._note_no_debts(began)
    assert not watching.believes()


def test_a_defect_leaves_the_process_in_doubt_and_the_thread_alive(watching: Trust, outside: Outside) -> None:
    outside.redis_error = KeyError("a defect")
    wait_until(lambda: not watching.believes())
    outside.redis_error, outside.database_error = None, KeyError("another one")
    looks = outside.looks
    wait_until(lambda: outside.looks > looks + 2)
    assert not watching.believes()
    outside.database_error = None
    wait_until(watching.believes)


@pytest.mark.parametrize("for_s", [0.6, 1.5])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_process_that_was_stopped_believes_nothing_when_it_wakes_until_it_has_looked(for_s: float) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, _belief_after_a_stop(writer).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        assert told.readline() == "believes\n"
        os.kill(child, signal.SIGSTOP)
        time.sleep(for_s)
        os.kill(child, signal.SIGCONT)
        assert told.readline() in ("nothing\n", "what it has looked at since\n")
    os.waitpid(child, 0)


def _belief_after_a_stop(writer: int) -> str:
    outside = Outside()
    watching = Trust(0.02, outside.probe, outside.leave)
    watching.look_with(outside.look)
    wait_until(watching.believes)
    before = trust.boottime()  # It may be stopped from the next line on.
    os.write(writer, b"believes\n")
    now = trust.boottime()
    while now - before < BELIEF_S:  # The clock jumps when it wakes.
        before, now = now, trust.boottime()
    if not watching.believes():
        return "nothing\n"
    return "what it has looked at since\n" if watching._no_debts_at > before else "what was before\n"
