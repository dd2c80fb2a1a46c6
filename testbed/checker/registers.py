"""The oracle: what is known, from outside, of things whose version rises.

All times are of one monotonic clock in one process, so "before" needs no agreement between machines:

* A read is *stale* when it returns an older version than one that was acknowledged before the read began.
* A read goes *backwards* when it returns an older version than another read of the same kind returned that had ended
  before this one began.

A write whose answer was lost may or may not have been done; it acknowledges nothing.
"""

import bisect
import threading
import time
from collections import deque
from dataclasses import dataclass

GONE = 2**53 - 1
"""The version of what was deleted: above every other."""

LOST = 0
"""The version of what is not there although nobody deleted it: below every other."""

TIMELINE_LENGTH = 300


@dataclass(frozen=True, slots=True)
class Floors:
    """What a read that begins at `at` must not be older than."""

    acknowledged: int
    returned: int
    at: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is wrong with a read. `stale_s`: for how long the newer version had been acknowledged when it began."""

    stale_s: float | None
    went_backwards: bool
    is_mistaken: bool

    @property
    def is_wrong(self) -> bool:
        """Say whether anything is."""
        return self.stale_s is not None or self.went_backwards or self.is_mistaken


class Truth:
    """One thing, a "session" or an "account": the versions acknowledged, when, and what each of them says."""

    def __init__(self, kind: str, id: str) -> None:
        self.kind = kind
        self.id = id
        self.lock = threading.Lock()
        self.timeline: deque[tuple[float, str]] = deque(maxlen=TIMELINE_LENGTH)
        self._acknowledged: list[tuple[int, float]] = []
        self._contents: dict[int, str] = {}
        self._unknown: set[int] = set()

    def acknowledge(self, version: int, content: str | None = None) -> None:
        """Take note of a write whose answer has just come."""
        with self.lock:
            bisect.insort(self._acknowledged, (version, time.monotonic()))
            if content is not None:
                self._contents[version] = content

    def lose(self, version: int) -> None:
        """Take note of a write whose answer was lost, of a thing whose versions are made here and not by the server.

        The server may still do it at any later time, also after a later write: it says nothing about the order.
        """
        with self.lock:
            self._unknown.add(version)

    def is_unordered(self, version: int) -> bool:
        """Say whether nothing can be said about a read of this version. The lock must be held."""
        return version in self._unknown

    @property
    def highest(self) -> int:
        """Return the highest version acknowledged, -1 if there is none. The lock must be held."""
        return self._acknowledged[-1][0] if self._acknowledged else -1

    def acknowledged_after(self, version: int) -> float | None:
        """Return when the first of all higher versions was acknowledged. The lock must be held."""
        later = self._acknowledged[bisect.bisect_right(self._acknowledged, (version, float("inf"))) :]
        return min((at for _, at in later), default=None)

    def contradicts(self, version: int, content: str | None) -> bool:
        """Say whether this version was acknowledged with another content. The lock must be held."""
        return content is not None and self._contents.get(version, content) != content

    def note(self, event: str) -> None:
        """Keep an event for the evidence."""
        self.timeline.append((time.monotonic(), f"{threading.current_thread().name}: {event}"))


class View:
    """One way to read a thing, through one cached entry."""

    def __init__(self, truth: Truth) -> None:
        self.truth = truth
        self._returned = -1

    def begin(self) -> Floors:
        """Note what a read that begins now must not be older than."""
        with self.truth.lock:
            return Floors(self.truth.highest, self._returned, time.monotonic())

    def judge(self, floors: Floors, version: int, content: str | None = None) -> Judgement:
        """Hold what a read returned against what was known when it began."""
        with self.truth.lock:
            if self.truth.is_unordered(version):
                return Judgement(None, went_backwards=False, is_mistaken=False)
            self._returned = max(self._returned, version)
            stale_s = None
            if version < floors.acknowledged:
                since = self.truth.acknowledged_after(version)
                stale_s = floors.at - since if since is not None else 0.0
            return Judgement(stale_s, version < floors.returned, self.truth.contradicts(version, content))
