"""Random operations and faults, through HTTP, against an oracle: every answer must be that of a server without a cache.

The suite runs the same few examples each time. To look further, at random:

    STATEFUL_EXAMPLES=500 python -m pytest tests/coherence/test_stateful.py
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings, strategies
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test
from redis import RedisError

from testbed.applications import believing, closed
from testbed.people import Person
from testbed.troubles import TROUBLES, Server
from tests.coherence.driver import PICKS, Driver, numbers
from tests.shared.interleave import KINDS, acting_after_load
from webapp import create_app
from webapp.cache import debts, fills, trust, warming
from webapp.cache.debts import WAIT_S
from webapp.cache.kinds import Kind
from webapp.cache.reconcile import reconcile
from webapp.cache.redis import Cache
from webapp.cache.trust import BELIEF_S
from webapp.config import Settings
from webapp.driving.answers import CACHE_STATUS
from webapp.driving.cached_sessions import SESSIONS

EXAMPLES = int(os.environ.get("STATEFUL_EXAMPLES", "0"))
FEW = settings(max_examples=15, stateful_step_count=50, derandomize=True, database=None)
MANY = settings(max_examples=EXAMPLES or 1, stateful_step_count=60, print_blob=True)
SLOWNESS = [HealthCheck.too_slow, HealthCheck.filter_too_much]

OF_ANY_KIND = strategies.sampled_from(KINDS)
STEPS = strategies.integers(2, 6)
Change = Callable[[Driver, int], None]
CHANGES = strategies.sampled_from(
    [
        lambda driver, pick: driver.rename(pick, "repeated"),
        lambda driver, pick: driver.upload(pick, {0, 1, 2, 3, 4, 5}),
        lambda driver, pick: driver.end(pick),
        lambda driver, pick: driver.delete(pick),
    ]
)
A_LIST = b"a list"
GARBAGE = [None, b"", b"garbage", b"v|", b"v|another-stamp|999|old", b"\xff\xfe\x00", A_LIST]
PROBE_MS, SHORT_BELIEF_S = 20, 0.05
"""How often the second process looks and how long it believes, in place of 100 ms and 0.5 s: writers wait for it."""


class DriverAmongFaults(Driver):
    """The driver, the worker, and what happens to Redis and to the second process."""

    is_refusing = False
    trouble_left = 0

    def __init__(self, server: Server, app: Flask, elsewhere: Flask, bob: Person, sources: Counter[str]) -> None:
        super().__init__(app, elsewhere, bob, sources)
        self.server = server
        self.elsewhere: Cache = elsewhere.extensions["cache"]

    def teardown(self) -> None:
        self.end_trouble()
        if hasattr(self, "account"):
            self.read_everything()

    @invariant()
    def no_cached_session_is_older_than_what_was_acknowledged(self) -> None:
        if not self.cache.trust.believes():
            return
        drives = self.account.drives
        for drive, held in zip(drives, self.cache.entries.held([SESSIONS.key(d.id) for d in drives]), strict=True):
            assert held.state != "value" or held.version >= drive.version

    @invariant()
    def trouble_comes_to_an_end(self) -> None:
        self.trouble_left -= 1
        if self.trouble_left == 0:
            self.end_trouble()

    def end_trouble(self) -> None:
        self.server.be_well()
        self.is_refusing = False
        if not self.cache.trust.believes():
            self.cache.trust.settle()

    @rule(job=strategies.sampled_from(["warm_due", "warm_first_reads", "refresh", "reconcile"]))
    def the_worker_works(self, job: str) -> None:
        jobs: dict[str, Callable[[], object]] = {
            "warm_due": warming.warm_due,
            "warm_first_reads": lambda: warming.warm_first_reads(self.alice.id),
            "refresh": lambda: fills.refresh(SESSIONS, [drive.id for drive in self.account.drives]),
            "reconcile": reconcile,
        }
        with self.app.app_context():
            try:
                jobs[job]()
            except RedisError:
                assert self.is_refusing, "only a Redis that refuses writes keeps the worker from its work"

    # What comes in between, and what happens to Redis; and then somebody reads.

    @precondition(lambda self: not self.is_refusing)
    @rule(pick=PICKS, kind=OF_ANY_KIND, is_lost=strategies.booleans())
    def a_change_overtakes_a_read(self, pick: int, kind: Kind, is_lost: bool) -> None:
        id = self.id_of(kind, pick)

        def overtake() -> None:
            self.rename(pick, f"overtaking {next(numbers)}")
            self.rename_myself(f"Alice the {next(numbers)}th")
            if is_lost:
                self.cache.client.delete(kind.key(id))

        self.cache.client.delete(kind.key(id))
        with self.app.app_context():
            fills.fill(acting_after_load(kind, overtake), id)
        self.read_everything()

    @precondition(lambda self: not self.is_refusing)
    @rule(kind=OF_ANY_KIND, pick=PICKS, garbage=strategies.sampled_from(GARBAGE))
    def a_key_is_lost(self, kind: Kind, pick: int, garbage: bytes | None) -> None:
        key = kind.key(self.id_of(kind, pick))
        self.cache.client.delete(key)
        if garbage == A_LIST:
            self.cache.client.rpush(key, garbage)
        elif garbage is not None:
            self.cache.client.set(key, garbage)
        self.read_everything()

    @precondition(lambda self: not self.is_refusing)
    @rule(is_flush=strategies.booleans())
    def many_keys_are_lost(self, is_flush: bool) -> None:
        """Redis is flushed, or what is pending expires."""
        if is_flush:
            self.cache.client.flushall()
        names = [kind.key(self.id_of(kind, pick)) for kind in KINDS for pick in range(len(self.account.drives))]
        for name, held in zip(names, self.cache.entries.held(names), strict=True):
            if held.state == "pending":
                self.cache.client.delete(name)

    @rule(steps=STEPS, trouble=strategies.sampled_from([None, *sorted(TROUBLES)]))
    def trouble_begins(self, steps: int, trouble: str | None) -> None:
        """Redis refuses writes for some steps; or this process only believes that there is trouble."""
        if trouble is None:
            self.cache.trust.doubt(RedisError("no answer"), operation="test")
        else:
            self.server.begin(trouble)
            self.is_refusing = True
        self.trouble_left = steps
        self.read_everything()

    @precondition(lambda self: not self.is_refusing)
    @rule(pick=PICKS, trouble=strategies.sampled_from([None, *sorted(TROUBLES)]))
    def a_process_sleeps_through_a_change(self, pick: int, trouble: str | None) -> None:
        """The second process stands still while the first one writes, and maybe through a whole refusal, too."""
        self.read_everything()
        with self.elsewhere.trust._lock:  # Whatever it has found out by now, it takes note of when it wakes.
            if trouble:
                self.server.begin(trouble)
            self.rename(pick, f"unseen {next(numbers)}")
            self.server.be_well()
        self.read_everything()

    @precondition(lambda self: not self.is_refusing)
    @rule(pick=PICKS, is_coming_back=strategies.booleans())
    def another_server_takes_over(self, pick: int, is_coming_back: bool) -> None:
        """A replica that lags behind; or the server that was left, which comes back with what it held then."""
        self.read_everything()
        held = self.server.held()
        if is_coming_back:
            self.server.fail_over(held)
        self.rename(pick, f"not replicated {next(numbers)}")
        self.rename_myself(f"Alice the {next(numbers)}th")
        self.server.fail_over(held)
        self.read_everything()

    @precondition(lambda self: not self.is_refusing)
    @rule(pick=PICKS, change=CHANGES)
    def a_writer_dies_and_its_write_is_repeated(self, pick: int, change: Change) -> None:
        """It has lost its first fence and comes to no second one. Who repeats the write is told that it is done."""
        self.read_everything()
        keys_and_values = self.values()
        change(self, pick)
        for key, raw in keys_and_values.items():
            self.cache.client.set(key, raw)
        change(self, pick)
        self.read_everything()

    def values(self) -> dict[str, str]:
        """Return what is cached now, as it is stored."""
        names = [kind.key(self.id_of(kind, pick)) for kind in KINDS for pick in range(len(self.account.drives))]
        cached: list[Any] = self.cache.client.mget(names)
        return {name: raw for name, raw in zip(names, cached, strict=True) if raw is not None}

    def id_of(self, kind: Kind, pick: int) -> str:
        """Return an id of that kind: of a drive, or of the driver."""
        return self.drive(pick).id if kind is SESSIONS else self.alice.id


@pytest.fixture(name="settings")
def unlimited(settings: Settings) -> Settings:
    """More accounts are made from one address than the limits let in."""
    return settings.model_copy(update={"ratelimit_enabled": False})


@pytest.fixture
def server(settings: Settings) -> Iterator[Server]:
    server = Server(settings.redis_url)
    yield server
    server.be_well()
    server.close()


@pytest.fixture
def elsewhere(app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """A second process, which watches. The first one does all the writing: it need not, as it is told of no debts."""
    monkeypatch.setattr(trust, "BELIEF_S", SHORT_BELIEF_S)
    monkeypatch.setattr(debts, "WAIT_S", SHORT_BELIEF_S * WAIT_S / BELIEF_S)
    monkeypatch.setattr(debts, "POLL_S", SHORT_BELIEF_S / 10)
    elsewhere = create_app(settings.model_copy(update={"cache_probe_interval_ms": PROBE_MS}))
    elsewhere.test_client_class = app.test_client_class
    yield believing(elsewhere)
    closed(elsewhere)


@pytest.mark.timeout(400)  # Hypothesis takes its time to shorten a failure; a good run takes seconds.
def test_every_answer_is_that_of_a_server_without_a_cache(
    app: Flask, elsewhere: Flask, server: Server, bob: Person
) -> None:
    profile = settings(MANY if EXAMPLES else FEW, deadline=None, suppress_health_check=SLOWNESS)
    sources: Counter[str] = Counter()
    machine = partial(DriverAmongFaults, server, app, elsewhere, bob, sources)
    run_state_machine_as_test(machine, settings=profile)  # type: ignore[arg-type]
    assert min(sources[read_from] for read_from in CACHE_STATUS.values()) > 20, f"a test of the cache: {sources}"
