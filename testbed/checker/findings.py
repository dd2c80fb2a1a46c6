"""What a run has counted, what it has found wrong, and the evidence."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from testbed.checker.registers import Floors, Judgement, View
from testbed.checker.witness import Witness

Events = Sequence[tuple[float, str]]

EVIDENCE_KEPT = 5
"""How many violations of each kind are told with what led to them."""

EVIDENCE_WINDOW_S = 10.0

STALE, BACKWARDS, MISTAKEN = "stale", "backwards", "mistaken"
REVIVED, REFUSED = "revived tokens", "refused tokens"
DEFECTS, ENDED = "answers 500", "ended processes"
VIOLATIONS = {
    STALE: "reads older than what was acknowledged before they began",
    BACKWARDS: "reads older than what an earlier read had returned",
    MISTAKEN: "reads whose content is not that of their version, or of what was not deleted and is not there",
    REVIVED: "tokens accepted after their logout was acknowledged",
    REFUSED: "good tokens that were refused",
    DEFECTS: "answers that tell of a defect",
    ENDED: "web servers, workers and beats that ended by themselves",
}


@dataclass(frozen=True)
class Evidence:
    """One violation, and what happened shortly before: to that thing, which faults, and what was logged."""

    violation: str
    what: str
    events: list[str]


@dataclass
class Findings:
    """The counts of a run; many threads write here."""

    witness: Witness
    counts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    cache: Counter[str] = field(default_factory=Counter)
    evidence: list[Evidence] = field(default_factory=list)
    longest_staleness_s: float = 0.0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._read_seconds: list[float] = []
        self._fault_log: list[tuple[float, str]] = []
        self._is_without_database = False

    def count(self, what: str) -> None:
        """Count one more."""
        with self._lock:
            self.counts[what] += 1

    def read(self, kind: str, seconds: float, cache_status: str) -> None:
        """Count a read that was answered."""
        with self._lock:
            self.counts["reads"] += 1
            self.cache[f"{kind} {cache_status}".strip()] += 1
            self.counts["hits_without_database"] += self._is_without_database and cache_status == "hit"
            self._read_seconds.append(seconds)

    def error(self, what: str) -> None:
        """Count an answer that is an error, or none at all."""
        with self._lock:
            self.errors[what] += 1

    def fault(self, kind: str, detail: str = "") -> None:
        """Count a fault that begins now."""
        with self._lock:
            self.faults[kind] += 1
        self.note(f"{kind} {detail}".strip())

    def note(self, event: str) -> None:
        """Keep an event of the faults for the evidence."""
        with self._lock:
            self._fault_log.append((time.monotonic(), event))

    @contextmanager
    def without_database(self) -> Iterator[None]:
        """Count the hits that are answered meanwhile."""
        self._is_without_database = True
        try:
            yield
        finally:
            self._is_without_database = False

    def hold(self, what: str, view: View, floors: Floors, judgement: Judgement) -> None:
        """Count what is wrong with a read."""
        what, timeline = f"{what}, {floors}; {self._looked_at(view)}", list(view.truth.timeline)
        if judgement.stale_s is not None:
            self.longest_staleness_s = max(self.longest_staleness_s, judgement.stale_s)
            self.violation(STALE, f"{judgement.stale_s * 1000:.1f} ms: {what}", timeline)
        if judgement.went_backwards:
            self.violation(BACKWARDS, what, timeline)
        if judgement.is_mistaken:
            self.violation(MISTAKEN, what, timeline)

    def _looked_at(self, view: View) -> str:
        """Look at the thing, unless there is evidence enough."""
        return (
            self.witness.look(view.truth.kind, view.truth.id) if sum(self.violations.values()) < EVIDENCE_KEPT else ""
        )

    def violation(self, kind: str, what: str, timeline: Events) -> None:
        """Count a violation, and keep the evidence of the first ones."""
        with self._lock:
            self.counts[kind] += 1
            if self.counts[kind] <= EVIDENCE_KEPT:
                self.evidence.append(Evidence(kind, what, self._events(timeline)))

    def _events(self, timeline: Events) -> list[str]:
        """Return what happened in the last seconds, in order, each with its time of day."""
        now, time_of_day = time.monotonic(), datetime.now(UTC)
        since = time_of_day - timedelta(seconds=EVIDENCE_WINDOW_S)
        events = [*timeline, *((at, f"fault: {event}") for at, event in self._fault_log)]
        told = [
            f"{time_of_day - timedelta(seconds=now - at):%H:%M:%S.%f}"[:12] + f" {event}"
            for at, event in events
            if now - at < EVIDENCE_WINDOW_S
        ]
        return sorted([*told, *(f"{when} {text}" for when, text in self.witness.logged(since))])

    @property
    def violations(self) -> dict[str, int]:
        """Return how often each promise was broken."""
        return {kind: self.counts[kind] for kind in VIOLATIONS}

    def percentile_ms(self, share: float) -> float:
        """Return the time that this share of the reads took at most, in ms."""
        with self._lock:
            ordered = sorted(self._read_seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else 0.0

    def report(self) -> dict[str, Any]:
        """Return everything, as JSON."""
        return {
            "reads": self.counts["reads"],
            "hits": sum(number for status, number in self.cache.items() if status.endswith(" hit")),
            "cache": dict(sorted(self.cache.items())),
            "hits_without_database": self.counts["hits_without_database"],
            "writes": self.counts["writes"],
            "repeats": self.counts["repeats"],
            "logouts": self.counts["logouts"],
            "replays": self.counts["replays"],
            "faults": dict(sorted(self.faults.items())),
            "errors": dict(sorted(self.errors.items())),
            "violations": self.violations,
            "longest_staleness_ms": round(self.longest_staleness_s * 1000, 1),
            "read_p50_ms": round(self.percentile_ms(0.50), 2),
            "read_p99_ms": round(self.percentile_ms(0.99), 2),
            "evidence": [vars(item) for item in self.evidence],
        }
