"""The load: what its threads have in common."""

import itertools
import random
import threading
from collections.abc import Callable, Iterator, Sequence

from testbed.api import Answer
from testbed.checker.caller import Caller
from testbed.checker.findings import Findings
from testbed.checker.subjects import Subject

REPEAT_CHANCE = 0.2
"""How often a write that was answered is repeated, as by a client that did not trust its own notes."""

PERSISTENCE = 0.9
"""How often a write that was not answered is repeated until it is. Otherwise nobody ever asks what became of it."""

REPEAT_AFTER_S = 0.05

numbers = itertools.count(1)

Send = Callable[[], Answer | None]


class Load:
    """What one thread does: `step` again and again, with a pause in between."""

    pause_s = 0.005

    def __init__(self, port: int, subjects: Sequence[Subject], findings: Findings, seed: int) -> None:
        self.subjects = subjects
        self.findings = findings
        self.chance = random.Random(seed)
        self.caller = Caller(port, findings, self.chance)
        self._over = threading.Event()

    def run(self, over: threading.Event) -> None:
        """Go on until the run is over."""
        self._over = over
        while not over.is_set():
            self.step(self.chance.choice(self.subjects))
            over.wait(self.chance.expovariate(1 / self.pause_s))
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.caller.close()

    def step(self, subject: Subject) -> None:
        """Do one thing."""
        raise NotImplementedError

    def written(self, answer: Answer | None, *statuses: int) -> bool:
        """Say whether a write was acknowledged, and count it."""
        if answer is None or answer.status not in statuses:
            return False
        self.findings.count("writes")
        return True

    def answers(self, send: Send) -> Iterator[Answer]:
        """Send a write until it is answered, and now and then once more although it was. Yield each answer.

        What a repeated write is answered acknowledges as much as the first answer, which may have been lost.
        """
        while answer := self._answer(send):
            yield answer
            if self.chance.random() >= REPEAT_CHANCE:
                return
            self.findings.count("repeats")

    def _answer(self, send: Send) -> Answer | None:
        """Return the answer that says what became of a write; None if nobody knows."""
        answer = send()
        is_persistent = self.chance.random() < PERSISTENCE
        while _is_open(answer) and is_persistent and not self._over.wait(REPEAT_AFTER_S):
            self.findings.count("repeats")
            answer = send()
        return None if _is_open(answer) else answer


def _is_open(answer: Answer | None) -> bool:
    """Say whether a write may have been done or not."""
    return answer is None or answer.status >= 500 or (answer.status == 409 and answer.json["code"] == "conflict")
