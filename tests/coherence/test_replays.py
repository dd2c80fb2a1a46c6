"""Each interleaving that the protocol is made for, replayed on the real code: the row, the listeners, the scripts.

The numbers are those of the docstring of `webapp.cache.entries`. No test sleeps: who comes in between acts inside the
loader, or inside the COMMIT.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from threading import Barrier, Event, Thread

import pytest
from flask import Flask
from sqlalchemy import Connection

from testbed.people import Person
from tests.shared.interleave import Cached, acting_after_load, at_commit, between_commit_and_fence, cached_things
from webapp.auth.cached_users import USERS, cache_user_session, user_document
from webapp.cache import fills, warming
from webapp.cache.entries import Entry, Held, new_lease_token
from webapp.cache.fills import Source
from webapp.cache.redis import Cache
from webapp.database import db
from webapp.models import User

READERS = 8


@pytest.fixture(params=["session", "session_list", "user"])
def cached(app: Flask, cache: Cache, alice: Person, request: pytest.FixtureRequest) -> Iterator[Cached]:
    """Something of Alice's that is cached: a session, the newest page of her list, or herself. Not filled yet."""
    thing = cached_things(cache, alice)[request.param]
    with app.app_context():
        cache.client.flushall()
        yield thing


def assert_fresh(cached: Cached) -> None:
    """Read twice: what is put and what is then served must be the row."""
    assert cached.read()[0] == cached.row()
    entry, source = cached.read()
    assert (entry, source) == (cached.row(), Source.HIT)


def test_1_a_slow_reader_cannot_put_back_what_was_fenced(cached: Cached) -> None:
    before = cached.row()
    entry, _ = cached.read(then=cached.change)
    assert entry == before, "a read that began before the change may return the old row"
    assert cached.held() == cached.left_by_its_writer(before.version + 1)
    assert_fresh(cached)


def test_2_a_slow_reader_cannot_put_back_what_was_fenced_and_then_evicted(cached: Cached) -> None:
    def change_and_lose() -> None:
        cached.change()
        cached.lose()

    cached.read(then=change_and_lose)
    assert cached.held().state == "absent"
    assert_fresh(cached)


def test_3_nobody_reads_an_old_value_between_the_commit_and_the_second_fence(cached: Cached) -> None:
    cached.read()
    seen: list[tuple[Entry, Source]] = []
    with between_commit_and_fence(lambda: seen.append(cached.read())):
        cached.change()
    assert seen == [(cached.row(), Source.MISS)]
    # The second fence finds a value of that version, and leaves it.
    assert cached.read() == (cached.row(), Source.HIT)


def test_4_a_fill_between_the_first_fence_and_the_commit_is_not_kept(cached: Cached) -> None:
    before, _ = cached.read()
    seen: list[tuple[Entry, Source]] = []
    with at_commit(lambda: seen.append(cached.read())):
        cached.change()
    assert seen == [(before, Source.MISS)], "not committed yet, so the old row is the right answer"
    assert cached.held() == Held("pending", before.version + 1)
    assert_fresh(cached)


def test_4_what_is_filled_after_the_first_fence_was_evicted_is_fenced_again(cached: Cached) -> None:
    before, _ = cached.read()

    def evict_the_fence_and_fill() -> None:
        cached.lose()
        assert cached.read() == (before, Source.MISS)
        assert cached.held() == Held("value", before.version)

    with at_commit(evict_the_fence_and_fill):
        cached.change()
    assert cached.held() == Held("pending", before.version + 1)
    assert_fresh(cached)


@pytest.mark.parametrize("fence_is_evicted", [False, True], ids=["", "the first fence is evicted"])
def test_4_a_reader_that_leases_before_the_commit_and_puts_after_it_is_refused(
    app: Flask, cached: Cached, fence_is_evicted: bool
) -> None:
    before = cached.row()
    has_loaded, is_acknowledged = Event(), Event()

    def wait() -> None:
        has_loaded.set()
        assert is_acknowledged.wait(10)

    def read() -> None:
        with app.app_context():
            cached.read(then=wait)

    reader = Thread(target=read)

    def let_the_reader_lease() -> None:
        if fence_is_evicted:
            cached.lose()
        reader.start()
        assert has_loaded.wait(10)

    with at_commit(let_the_reader_lease):
        cached.change()
    is_acknowledged.set()
    reader.join()
    assert cached.held() == Held("pending", before.version + 1)
    assert_fresh(cached)


def test_5_a_flush_between_lease_and_put_ends_the_lease(cache: Cache, cached: Cached) -> None:
    def flush_and_change() -> None:
        cache.client.flushall()
        cached.change()
        cache.client.flushall()

    cached.read(then=flush_and_change)
    assert cached.held().state == "absent"
    assert_fresh(cached)


def test_5_a_lease_taken_before_a_flush_is_not_mistaken_for_one_taken_after_it(cache: Cache, cached: Cached) -> None:
    def flush_and_let_another_lease() -> None:
        cached.change()
        cache.client.flushall()
        assert cache.entries.lease([cached.key], new_lease_token()) == [True]

    cached.read(then=flush_and_let_another_lease)
    assert cached.held() == Held("pending", 0), "the other reader still fills"


def test_a_change_while_a_value_is_renewed_is_not_undone(cached: Cached) -> None:
    before, _ = cached.read()
    assert fills.refresh(acting_after_load(cached.kind, cached.change), [cached.id]) == 0
    assert cached.held() == cached.left_by_its_writer(before.version + 1)
    assert_fresh(cached)


def test_a_change_while_the_worker_warms_is_not_undone(cached: Cached) -> None:
    version = cached.row().version
    assert fills.fill_many(acting_after_load(cached.kind, cached.change), [cached.id]) == 0
    assert cached.held() == cached.left_by_its_writer(version + 1)
    assert_fresh(cached)


def test_the_worker_gets_over_whatever_a_slow_reader_left_due(cached: Cached) -> None:
    cached.read(then=cached.change)
    warming.warm_due()
    assert_fresh(cached)


def test_who_meets_another_filler_answers_from_the_database(cached: Cached, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fills, "POLL_INTERVAL_S", 0)
    seen: list[tuple[Entry, Source]] = []
    entry, _ = cached.read(then=lambda: seen.append(cached.read()))
    assert seen == [(entry, Source.MISS)]
    assert cached.read() == (cached.row(), Source.HIT), "the one who held the lease has filled"


def test_readers_of_one_cold_key_cost_one_load(app: Flask, cached: Cached, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fills, "POLLS", 3000)  # Nobody gives up while the first one loads.
    barrier = Barrier(READERS)
    loads: list[Sequence[str]] = []
    answers: list[Entry] = []

    def load(connection: Connection, ids: Sequence[str]) -> Mapping[str, Entry]:
        loads.append(ids)
        return cached.kind.load(connection, ids)

    def read() -> None:
        with app.app_context():
            barrier.wait(10)
            answers.append(fills.get(replace(cached.kind, load=load), cached.id)[0])

    readers = [Thread(target=read) for _ in range(READERS)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert answers == [cached.row()] * READERS
    assert loads == [[cached.id]]


def test_a_login_that_is_overtaken_leaves_no_lease_behind(app: Flask, cache: Cache, alice: Person) -> None:
    with app.app_context():
        overtaken = user_document(db.session.get(User, alice.id))
        assert alice.patch("/users/me", json={"full_name": "Alice the second"}).status_code == 200
        cache_user_session(alice.id, overtaken, 15)
        [stored] = cache.entries.read([USERS.key(alice.id)])
        assert stored is not None and "Alice the second" in stored.body
        fills.fill_many(USERS, [alice.id])
        assert fills.get(USERS, alice.id)[1] is Source.HIT
