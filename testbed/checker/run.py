"""One run: the stage is set, the load and the faults go on for a time, and what was found is returned."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from testbed.api import Api
from testbed.checker.churner import Churner
from testbed.checker.faults import DatabaseFaults, ProcessFaults, RedisFaults
from testbed.checker.findings import Findings
from testbed.checker.leaver import Leaver
from testbed.checker.load import Load
from testbed.checker.reader import Reader
from testbed.checker.stage import Stage, stage
from testbed.checker.subjects import Subject
from testbed.checker.writers import AccountWriter, Writer

CALM_AT_THE_END_S = 3.0
"""Nothing is broken any more this long before the end, so that a lasting harm shows, in s."""

FAILURE_POLL_S = 0.5

THREADS: tuple[tuple[Callable[..., Load], int], ...] = (
    (Reader, 6),
    (Writer, 2),
    (AccountWriter, 1),
    (Churner, 1),
    (Leaver, 2),
)


@dataclass(frozen=True)
class Options:
    """How long, with which faults, on how many drivers of how many sessions, what is taken from the protocol,
    and by which command the web processes are started (None: the Procfile's)."""

    seconds: float = 60.0
    faults: frozenset[str] = frozenset()
    seed: int = 1
    drivers: int = 4
    sessions: int = 3
    weakened: str | None = None
    web: str | None = None
    ends_at_a_violation: bool = False


def run(options: Options) -> Findings:
    """Play a run. Raises when the checker itself fails, or when a process does not come back."""
    with stage(options.seconds, options.weakened, options.web) as standing:
        return _play(options, standing)


def _play(options: Options, standing: Stage) -> Findings:
    findings = Findings(standing.witness)
    with Api(standing.fleet.port) as api:
        subjects = [Subject.registered(api, options.sessions) for _ in range(options.drivers)]
    calm, over = threading.Event(), threading.Event()
    tasks = _tasks(options, standing, subjects, findings, calm, over)
    with ThreadPoolExecutor(len(tasks)) as pool:
        futures = [pool.submit(_named, name, task) for name, task in tasks.items()]
        try:
            _wait(options, futures, findings, options.seconds - CALM_AT_THE_END_S)
            calm.set()
            _wait(options, futures, findings, CALM_AT_THE_END_S)
        finally:
            calm.set()
            over.set()
    for future in futures:
        future.result()
    return findings


def _tasks(
    options: Options,
    standing: Stage,
    subjects: list[Subject],
    findings: Findings,
    calm: threading.Event,
    over: threading.Event,
) -> dict[str, Callable[[], None]]:
    """Return what the threads do, by their names; the faults stop when it is calm, the load when it is over."""
    tasks: dict[str, Callable[[], None]] = {}
    for kind, number in THREADS:
        for index in range(number):
            load = kind(standing.fleet.port, subjects, findings, options.seed * 1000 + len(tasks))
            tasks[f"{kind.__name__} {index}"] = lambda load=load: load.run(over)  # type: ignore[misc]
    for faults in (
        RedisFaults(standing.servers, findings, options.seed),
        ProcessFaults(standing.fleet, findings, options.seed),
        DatabaseFaults(standing.postgres, findings, options.seed),
    ):
        tasks[type(faults).__name__] = lambda faults=faults: faults.run(options.faults, calm)  # type: ignore[misc]
    return tasks


def _named(name: str, task: Callable[[], None]) -> None:
    threading.current_thread().name = name
    task()


def _wait(options: Options, futures: list[Future[None]], findings: Findings, seconds: float) -> None:
    """Wait, but not any longer once a thread has failed, or a violation was found that is enough."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if any(future.done() and future.exception() for future in futures):
            return
        if options.ends_at_a_violation and any(findings.violations.values()):
            return
        wait([*futures], timeout=min(left, FAILURE_POLL_S), return_when=FIRST_EXCEPTION)
