"""What a process believes while it watches: a process of its own in every respect, but for what it finds."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from testbed.troubles import TROUBLE, UNREADABLE
from tests.shared.meanwhile import wait_until
from webapp.cache import trust
from webapp.cache.trust import BELIEF_S, Trust
from webapp.database import NotThePrimaryError


@dataclass
class Outside:
    """What a process finds when it looks, and how often it has looked."""

    debts: int = 0
    payment_error: Exception | None = None
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
        return not self.debts

    def pay(self) -> None:
        if self.payment_error:
            raise self.payment_error
        self.debts -= 1

    def leave(self) -> None:
        """Nothing to leave."""


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture
def watching(outside: Outside) -> Iterator[Trust]:
    """A process that watches, and believes."""
    watching = Trust(0.01, outside.probe, outside.leave, outside)
    watching.watch()
    wait_until(watching.believes)
    yield watching
    watching.stop()


def test_a_process_that_cannot_read_the_debts_any_more_soon_believes_nothing(
    watching: Trust, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = threading.Event()
    monkeypatch.setattr(outside, "look", lambda: hanging.wait(10))
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


@pytest.mark.parametrize("error", [UNREADABLE, TROUBLE])
def test_who_finds_debts_and_cannot_pay_them_believes_nothing_whatever_comes_next(
    watching: Trust, outside: Outside, error: Exception
) -> None:
    outside.payment_error = error
    outside.debts = 1
    looks = outside.looks
    wait_until(lambda: outside.looks > looks + 1)
    outside.database_error = UNREADABLE
    probes = outside.probes
    wait_until(lambda: outside.probes > probes + 3)
    assert not watching.believes()


def test_a_standby_that_answers_is_no_reason_to_go_on_by_probes(watching: Trust, outside: Outside) -> None:
    outside.database_error = NotThePrimaryError("the database is a standby")
    looks = outside.looks
    wait_until(lambda: outside.looks > looks + 1)
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


def test_a_process_that_can_start_no_thread_believes_nothing_and_tries_again(
    outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    crowded = Trust(0.01, outside.probe, outside.leave, outside)
    with monkeypatch.context() as without_room:
        without_room.setattr(threading.Thread, "start", fail)
        assert not crowded.believes()
    wait_until(crowded.believes)
    crowded.stop()


@pytest.mark.parametrize("for_s", [0.6, 1.5])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_process_that_was_stopped_believes_nothing_when_it_wakes_until_it_has_looked(for_s: float) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, _belief_after_a_stop(writer).encode())
        finally:
            os._exit(0)  # Whatever happens: it must not go on as a second pytest.
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
    watching = Trust(0.02, outside.probe, outside.leave, outside)
    wait_until(watching.believes)
    before = trust.boottime()  # It may be stopped from the next line on.
    os.write(writer, b"believes\n")
    now = trust.boottime()
    while now - before < BELIEF_S:  # The clock jumps when it wakes.
        before, now = now, trust.boottime()
    if not watching.believes():
        return "nothing\n"
    return "what it has looked at since\n" if watching._no_debts_at > before else "what was before\n"
