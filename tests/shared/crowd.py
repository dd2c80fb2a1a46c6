"""Many at once: every thread waits for all the others, and then they all go."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

PATIENCE_S = 60


def all_at_once(acts: Sequence[Callable[[], Result]]) -> list[Result]:
    """Do all acts, each in a thread of its own, begun together; return what they returned, in their order."""
    barrier = threading.Barrier(len(acts))

    def begun_together(act: Callable[[], Result]) -> Result:
        barrier.wait(PATIENCE_S)
        return act()

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(begun_together, acts, timeout=PATIENCE_S))
