"""The threads that answer requests: bounded while they work, not while they stand aside."""

import threading
import time
from collections.abc import Iterator

import pytest

from tests.shared.meanwhile import PATIENCE_S, wait_until
from webapp.threads import Threads

SIZE = 3


def threads_of_requests() -> int:
    return sum(thread.name == "request" for thread in threading.enumerate())


@pytest.fixture
def threads() -> Iterator[Threads]:
    wait_until(lambda: threads_of_requests() == 0)
    threads = Threads(SIZE)
    yield threads
    threads.shutdown()
    wait_until(lambda: threads_of_requests() == 0)


class AtWork:
    """Counts who is at work at the same time."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._lock = threading.Lock()

    def step(self) -> None:
        """Work for a moment."""
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.001)
        with self._lock:
            self.now -= 1


def test_what_is_submitted_is_done_and_its_result_told(threads: Threads) -> None:
    assert threads.submit(divmod, 7, 2).result(PATIENCE_S) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        threads.submit(divmod, 7, 0).result(PATIENCE_S)
    assert threads.submit(len, "still there").result(PATIENCE_S) == 11


def test_no_more_are_at_work_than_there_are_places_however_many_stand_aside(threads: Threads) -> None:
    at_work, may_go_on = AtWork(), threading.Event()

    def request() -> None:
        at_work.step()
        with threads.standing_aside():
            assert may_go_on.wait(PATIENCE_S)
        at_work.step()

    crowd = [threads.submit(request) for _ in range(50)]
    wait_until(lambda: threads_of_requests() == 50 + SIZE)
    others = [threads.submit(at_work.step) for _ in range(50)]
    for other in others:
        other.result(PATIENCE_S)
    assert not any(each.done() for each in crowd)
    may_go_on.set()
    others = [threads.submit(at_work.step) for _ in range(50)]
    for each in (*crowd, *others):
        each.result(PATIENCE_S)
    assert at_work.most == SIZE


def test_after_a_crowd_there_are_as_many_threads_as_places(threads: Threads) -> None:
    def request() -> None:
        with threads.standing_aside():
            time.sleep(0.01)

    for each in [threads.submit(request) for _ in range(50)]:
        each.result(PATIENCE_S)
    wait_until(lambda: threads_of_requests() == SIZE)
    at_work = AtWork()
    for each in [threads.submit(at_work.step) for _ in range(50)]:
        each.result(PATIENCE_S)
    assert at_work.most == SIZE


def test_who_comes_back_goes_before_who_came_later() -> None:
    threads, done, may_go_on, is_busy = Threads(1), list[str](), threading.Event(), threading.Event()

    def stands_aside() -> None:
        with threads.standing_aside():
            assert may_go_on.wait(PATIENCE_S)
        done.append("who came back")

    def busy() -> None:
        is_busy.set()
        may_go_on.set()
        time.sleep(0.1)  # Long enough for the other one to ask for its place.
        done.append("who was at work")

    first = threads.submit(stands_aside)
    threads.submit(busy)
    assert is_busy.wait(PATIENCE_S)
    later = [threads.submit(done.append, "who came later") for _ in range(3)]
    for each in (first, *later):
        each.result(PATIENCE_S)
    threads.shutdown()
    assert done[0] == "who was at work"
    assert done.index("who came back") <= 2  # The substitute may have had the next one in its hands.


def test_a_thread_of_somebody_elses_has_no_place_to_lend(threads: Threads) -> None:
    with threads.standing_aside():
        assert threads_of_requests() == 0


def test_a_process_may_be_forked_before_the_first_request() -> None:
    Threads(SIZE)
    assert threads_of_requests() == 0


def test_who_finds_no_room_for_a_substitute_waits_without_one(
    threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("can't start new thread")

    def request() -> str:
        monkeypatch.setattr(threads, "_start_thread", fail)
        with threads.standing_aside():
            return "done"

    assert threads.submit(request).result(PATIENCE_S) == "done"
    monkeypatch.undo()
    assert [threads.submit(len, "next").result(PATIENCE_S) for _ in range(2 * SIZE)] == [4] * 2 * SIZE
