"""What the faults have in common: a choice by weight, again and again, until it is calm."""

import random
import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from testbed.checker.findings import Findings

LONGEST_PAUSE_S = 3.0


class Faults:
    """Some ways to break things, each with its weight."""

    mean_pause_s: float
    kinds: ClassVar[Mapping[str, tuple[int, Callable[[Any], None]]]]

    def __init__(self, findings: Findings, seed: int) -> None:
        self.findings = findings
        self.chance = random.Random(seed)

    def run(self, chosen: frozenset[str], over: threading.Event) -> None:
        """Break one thing after another until it is over."""
        names = [name for name in self.kinds if name in chosen]
        while not over.wait(self.chance.expovariate(1 / self.mean_pause_s)):
            self.look_after()
            if names:
                [name] = self.chance.choices(names, [self.kinds[name][0] for name in names])
                self.kinds[name][1](self)
        self.look_after()

    def look_after(self) -> None:
        """Look whether something broke by itself."""

    def some_pause_s(self) -> float:
        """Choose for how long something stands still. Short times are as interesting as long ones: they end about when
        the servers' patience does.
        """
        return min(LONGEST_PAUSE_S, 0.05 + self.chance.expovariate(2))

    def some_absence_s(self) -> float:
        """Choose for how long a server is away: not at all, or for a while."""
        return self.chance.choice((0.0, self.chance.uniform(0, 1.5)))


def wait(seconds: float) -> None:
    """Let some time pass."""
    threading.Event().wait(seconds)
