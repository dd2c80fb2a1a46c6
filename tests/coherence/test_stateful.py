"""Random operations and faults, through HTTP, against an oracle: every answer must be that of a server without a cache.

The suite runs the same few examples each time. To look further, at random:

    STATEFUL_EXAMPLES=500 python -m pytest tests/coherence/test_stateful.py
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings, strategies
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test
from redis import RedisError

from tests.coherence.driver import PICKS, Driver, numbers
from tests.coherence.interleave import acting_after_load
from tests.people import Person
from webapp.cache import fills, keys, warm_up
from webapp.cache.driving_sessions import SESSIONS
from webapp.cache.kinds import Kind
from webapp.cache.reconcile import KINDS, reconcile
from webapp.cache.redis import Cache
from webapp.config import Settings
from webapp.driving.answers import CACHE_STATUS

EXAMPLES = int(os.environ.get("STATEFUL_EXAMPLES", "0"))
FEW = settings(max_examples=15, stateful_step_count=50, derandomize=True, database=None)
MANY = settings(max_examples=EXAMPLES or 1, stateful_step_count=60, print_blob=True)
SLOWNESS = [HealthCheck.too_slow, HealthCheck.filter_too_much]

OF_ANY_KIND = strategies.sampled_from(KINDS)
STEPS = strategies.integers(2, 6)
A_LIST = b"a list"
GARBAGE = [None, b"", b"garbage", b"v|", b"v|another-epoch|999|old", b"\xff\xfe\x00", A_LIST]
TROUBLES = {"min-replicas-to-write": ("0", "1"), "maxmemory": ("256mb", "1")}
"""Settings that make a server refuse writes, and those that end it: reads are answered all the while."""


def set_well(cache: Cache) -> None:
    """Let the server take writes again."""
    for name, (well, _) in TROUBLES.items():
        cache.client.config_set(name, well)


class DriverAmongFaults(Driver):
    """The driver, the worker, and what happens to Redis."""

    is_refusing = False
    trouble_left = 0

    def teardown(self) -> None:
        self.end_trouble()
        if hasattr(self, "account"):
            self.read_everything()

    @invariant()
    def no_cached_session_is_older_than_what_was_acknowledged(self) -> None:
        if not self.cache.trust.believes():
            return
        drives = self.account.drives
        for drive, held in zip(drives, self.cache.entries.held([keys.session(d.id) for d in drives]), strict=True):
            assert held.state != "value" or held.version >= drive.version

    @invariant()
    def trouble_comes_to_an_end(self) -> None:
        self.trouble_left -= 1
        if self.trouble_left == 0:
            self.end_trouble()

    def end_trouble(self) -> None:
        set_well(self.cache)
        self.is_refusing = False
        if not self.cache.trust.believes():
            self.cache.trust.settle()

    @rule(job=strategies.sampled_from(["warm_due", "warm_user", "refresh", "reconcile"]))
    def the_worker_works(self, job: str) -> None:
        jobs: dict[str, Callable[[], object]] = {
            "warm_due": warm_up.warm_due,
            "warm_user": lambda: warm_up.warm_user(self.alice.id),
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
            self.cache.client.config_set(trouble, TROUBLES[trouble][1])
            self.is_refusing = True
        self.trouble_left = steps
        self.read_everything()

    def id_of(self, kind: Kind, pick: int) -> str:
        """Return an id of that kind: of a drive, or of the driver."""
        return self.drive(pick).id if kind is SESSIONS else self.alice.id


@pytest.fixture(name="settings")
def unlimited(settings: Settings) -> Settings:
    """More accounts are made from one address than the limits let in."""
    return settings.model_copy(update={"ratelimit_enabled": False})


@pytest.fixture
def well(cache: Cache) -> Iterator[None]:
    yield
    set_well(cache)


@pytest.mark.timeout(400)  # Hypothesis takes its time to shorten a failure; a good run takes seconds.
def test_every_answer_is_that_of_a_server_without_a_cache(app: Flask, bob: Person, well: None) -> None:
    profile = settings(MANY if EXAMPLES else FEW, deadline=None, suppress_health_check=SLOWNESS)
    sources: Counter[str] = Counter()
    run_state_machine_as_test(partial(DriverAmongFaults, app, bob, sources), settings=profile)  # type: ignore[arg-type]
    assert min(sources[read_from] for read_from in CACHE_STATUS.values()) > 20, f"a test of the cache: {sources}"
