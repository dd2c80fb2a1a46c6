"""The reaper kills what a dead process left, and nothing else."""

import signal
from collections.abc import Callable

from tests.embedded.family import Run, survivors

START_TWO = """
import subprocess, time
from embedded.child import Child
from embedded.reaper import reaper
first = Child(["sleep", "60"])
{between}
second = Child(["sleep", "60"])
print("ready", flush=True)
time.sleep(60)
"""


def test_an_ordinary_end_leaves_nothing_either(runs: Callable[..., Run]) -> None:
    run = runs(START_TWO.format(between="").replace("time.sleep(60)", "input()"))
    run.read_until("ready")
    family = run.family()
    assert len(family) == 4
    run.send(signal.SIGINT)
    run.finish()
    assert survivors(family) == []


def test_a_reaper_that_was_killed_is_replaced_and_knows_the_earlier_processes(runs: Callable[..., Run]) -> None:
    run = runs(START_TWO.format(between="reaper._process.kill(); reaper._process.wait()"))
    run.read_until("ready")
    family = run.family()
    assert len(family) == 4
    run.send(signal.SIGKILL)
    run.finish()
    assert survivors(family) == []


def test_a_process_that_has_ended_is_forgotten(runs: Callable[..., Run]) -> None:
    # Its group number may belong to a stranger by the time the reaper acts. Here it does: to `stranger`.
    code = """
import subprocess, time
from embedded.reaper import reaper
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
stranger = subprocess.Popen(["sleep", "60"], start_new_session=True, **quiet)
reaper.watch(stranger.pid)
reaper.forget(stranger.pid)
print("ready", flush=True)
time.sleep(60)
"""
    run = runs(code)
    run.read_until("ready")
    [stranger] = [process for process in run.family() if process.name() == "sleep"]
    run.send(signal.SIGKILL)
    run.finish()
    try:
        assert survivors([stranger], within_s=0.5) == [stranger]
    finally:
        stranger.kill()
