"""The faults among the processes."""

import time
from contextlib import suppress

import psutil  # type: ignore[import-untyped]

from testbed.checker.faults.base import Faults, wait
from testbed.checker.findings import ENDED, Findings
from testbed.fleet import Fleet

PROGRAMS = ("web", "worker", "beat")
SETTLED_S = 10.0
"""How old the worker must be before its children are killed, in s: one that loses a child before it has reached its
broker for the first time ends, as Celery means it to, and whoever runs it starts it again.
"""
LAPSE_S = (0.3, 1.5)
"""Shorter and longer than anybody believes without looking, in s."""


class ProcessFaults(Faults):
    """Web workers, task processes, the worker and beat are killed with -9, and restarted where nobody else does; or one
    of them stands still for a while, as a process does on a machine that has no time for it.
    """

    mean_pause_s = 3.0

    def __init__(self, fleet: Fleet, findings: Findings, seed: int) -> None:
        super().__init__(findings, seed)
        self._fleet = fleet

    def look_after(self) -> None:
        """Count what ended by itself, and start it again, as whoever runs it would."""
        for program in PROGRAMS:
            if not self._fleet.is_running(program):
                self.findings.violation(ENDED, f"{program}: {self._fleet.tails()[program]}", [])
                self._fleet.ensure(program)

    def _kill_a_web_worker(self) -> None:
        self._kill_a_child("web", "kill_web_worker")

    def _kill_a_task_process(self) -> None:
        self._kill_a_child("worker", "kill_task_process")

    def _kill_the_worker(self) -> None:
        self._kill("worker", "kill_worker")

    def _kill_beat(self) -> None:
        self._kill("beat", "kill_beat")

    def _pause_a_web_worker(self) -> None:
        self._pause_a_child("web", "pause_web_worker", self.some_pause_s())

    def _have_a_web_worker_miss_something(self) -> None:
        self._pause_a_child("web", "lapse", self.chance.uniform(*LAPSE_S))

    def _pause_a_task_process(self) -> None:
        self._pause_a_child("worker", "pause_task_process", self.some_pause_s())

    def _pause_a_child(self, program: str, kind: str, for_s: float) -> None:
        # It may end at any moment, by its own limits or with its parent.
        with suppress(psutil.NoSuchProcess):
            for chosen in self._one_child(program):
                self.findings.fault(kind, f"{chosen.pid} for {for_s:.3f} s")
                chosen.suspend()
                wait(for_s)
                chosen.resume()

    def _kill_a_child(self, program: str, kind: str) -> None:
        with suppress(psutil.NoSuchProcess):
            for chosen in self._one_child(program):
                self.findings.fault(kind, str(chosen.pid))
                chosen.kill()

    def _one_child(self, program: str) -> list[psutil.Process]:
        """Return one of them, or none while there is none, or while the program is still starting."""
        children = self._fleet.children(program)
        is_up = children and time.time() - psutil.Process(children[0].ppid()).create_time() > SETTLED_S
        return [self.chance.choice(children)] if is_up else []

    def _kill(self, program: str, kind: str) -> None:
        self.findings.fault(kind)
        self._fleet.kill(program)
        self._fleet.ensure(program)
        self.findings.note(f"{program} is back")

    kinds = {
        "pause_web_worker": (2, _pause_a_web_worker),
        "lapse": (4, _have_a_web_worker_miss_something),
        "pause_task_process": (1, _pause_a_task_process),
        "kill_web_worker": (4, _kill_a_web_worker),
        "kill_task_process": (2, _kill_a_task_process),
        "kill_worker": (1, _kill_the_worker),
        "kill_beat": (1, _kill_beat),
    }
