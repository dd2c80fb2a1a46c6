"""The threads that answer requests: bounded while they work, not while they stand aside."""

import threading
import time
from collections.abc import Iterator

import pytest

from tests.shared.meanwhile import PATIENCE_S, wait_until
from webapp.threads import LATE_AFTER_S, Threads

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


class Late:
    """Requests that wait for something, until the test lets them go on."""

    def __init__(self) -> None:
        self.begun, self.may_go_on = threading.Semaphore(0), threading.Event()

    def __call__(self) -> str:
        self.begun.release()
        assert self.may_go_on.wait(PATIENCE_S)
        return "late"


@pytest.fixture
def with_spare_ones(threads: Threads) -> Iterator[Threads]:
    with_spare_ones = Threads(SIZE, spare=2)
    yield with_spare_ones
    with_spare_ones.shutdown()


def test_the_places_of_those_that_are_late_go_to_others(with_spare_ones: Threads) -> None:
    threads, late = with_spare_ones, Late()
    waiting = [threads.submit(late) for _ in range(SIZE)]
    other = threads.submit(len, "another")
    assert other.result(PATIENCE_S) == 7
    late.may_go_on.set()
    assert [each.result(PATIENCE_S) for each in waiting] == ["late"] * SIZE
    wait_until(lambda: threads_of_requests() == SIZE)
    at_work = AtWork()
    for each in [threads.submit(at_work.step) for _ in range(50)]:
        each.result(PATIENCE_S)
    assert at_work.most == SIZE


def test_no_more_are_relieved_than_there_are_spare_ones(with_spare_ones: Threads) -> None:
    threads, late = with_spare_ones, Late()
    waiting = [threads.submit(late) for _ in range(10)]
    time.sleep(4 * LATE_AFTER_S)
    assert sum(late.begun.acquire(blocking=False) for _ in waiting) == SIZE + 2
    late.may_go_on.set()
    assert {each.result(PATIENCE_S) for each in waiting} == {"late"}
    wait_until(lambda: threads_of_requests() == SIZE)


def test_nobody_is_relieved_who_has_just_begun_or_has_stood_aside(with_spare_ones: Threads) -> None:
    threads, late = with_spare_ones, Late()

    def stands_aside() -> str:
        with threads.standing_aside():
            return late()

    waiting = [threads.submit(stands_aside) for _ in range(SIZE)]
    wait_until(lambda: threads_of_requests() == 2 * SIZE)
    time.sleep(2 * LATE_AFTER_S)
    assert threads.submit(len, "free").result(PATIENCE_S) == 4
    assert threads_of_requests() == 2 * SIZE
    late.may_go_on.set()
    assert {each.result(PATIENCE_S) for each in waiting} == {"late"}


def test_who_was_relieved_may_still_want_to_stand_aside(with_spare_ones: Threads) -> None:
    threads, late, again = with_spare_ones, Late(), Late()

    def first_late_then_aside() -> str:
        late()
        with threads.standing_aside():
            return again()

    waiting = threads.submit(first_late_then_aside)
    others = [threads.submit(late) for _ in range(SIZE - 1)]
    other = threads.submit(len, "another")
    assert other.result(PATIENCE_S) == 7
    late.may_go_on.set()
    assert again.begun.acquire(timeout=PATIENCE_S)
    again.may_go_on.set()
    assert {each.result(PATIENCE_S) for each in (waiting, *others)} == {"late"}
    wait_until(lambda: threads_of_requests() == SIZE)


def test_who_computes_is_not_late(with_spare_ones: Threads) -> None:
    threads, may_end = with_spare_ones, threading.Event()

    def compute() -> None:
        until = time.monotonic() + 4 * LATE_AFTER_S
        while time.monotonic() < until:
            sum(range(1000))

    computing = [threads.submit(compute), *(threads.submit(may_end.wait, PATIENCE_S) for _ in range(SIZE - 1))]
    queued = [threads.submit(may_end.wait, PATIENCE_S) for _ in range(5)]
    computing[0].result(PATIENCE_S)
    # Those that wait were relieved, and the one that computes was not.
    assert threads_of_requests() <= SIZE + 2
    may_end.set()
    for each in (*computing, *queued):
        each.result(PATIENCE_S)
