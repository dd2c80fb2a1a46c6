"""Whatever happens to one process, all stop; and whatever happens to the supervisor, none is left."""

import signal
import time
from collections.abc import Callable

import pytest

from tests.embedded.family import Run, survivors

Supervise = Callable[..., Run]

# Every command here ends by itself after a minute, should a test fail to end it.
QUIET = "echo ready; exec sleep 60"
STUBBORN = "trap '' TERM INT HUP; echo ready; for i in $(seq 60); do sleep 1; done"
WITH_CHILDREN = "sleep 60 & sleep 60 & echo ready; wait"


def test_output_is_printed_line_by_line_under_the_name_of_its_process(supervise: Supervise) -> None:
    run = supervise(web="echo one; echo two >&2; exit 3")
    run.finish()
    named = [line.split(" ", 1)[1] for line in run.lines]
    assert named == ["web    | one", "web    | two", "system | web ended with code 3, stopping"]


def test_a_process_that_fails_brings_all_down_with_its_code(supervise: Supervise) -> None:
    run = supervise(worker=QUIET, web="exit 3")
    assert run.finish() == 3
    assert "web ended with code 3, stopping" in run.output


def test_a_process_that_ends_without_an_error_is_a_failure_all_the_same(supervise: Supervise) -> None:
    assert supervise(worker=QUIET, web="exit 0").finish() == 1


def test_a_process_that_is_killed_gives_the_code_that_a_shell_would(supervise: Supervise) -> None:
    assert supervise(worker=QUIET, web="kill -KILL $$").finish() == 128 + signal.SIGKILL


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_that_was_asked_for_ends_everything_with_code_0(supervise: Supervise, signum: int) -> None:
    run = supervise(web=WITH_CHILDREN, last=QUIET)
    run.read_until("ready", times=2)
    family = run.family()
    run.send(signum)
    assert run.finish() == 0
    assert survivors(family) == []


def test_stubborn_processes_are_gone_ten_seconds_after_a_term(supervise: Supervise) -> None:
    run = supervise(web=STUBBORN, worker=STUBBORN, last=STUBBORN)
    run.read_until("ready", times=3)
    family = run.family()
    asked_at = time.monotonic()
    run.send(signal.SIGTERM)
    assert run.finish() == 0
    assert survivors(family, within_s=0) == []
    assert time.monotonic() - asked_at < 10


def test_a_second_interrupt_kills_at_once(supervise: Supervise) -> None:
    run = supervise(web=STUBBORN, last=STUBBORN)
    run.read_until("ready", times=2)
    family = run.family()
    run.send(signal.SIGINT)
    run.read_until("SIGINT received, stopping")
    asked_at = time.monotonic()
    run.send(signal.SIGINT)
    assert run.finish() == 0
    assert survivors(family, within_s=0) == []
    assert time.monotonic() - asked_at < 2


def test_processes_that_others_need_are_stopped_after_them(supervise: Supervise) -> None:
    told = "trap 'echo {0} stops; exit 0' TERM; echo {0} ready; for i in $(seq 600); do sleep 0.1; done"
    run = supervise(last=told.format("valkey"), web=told.format("web"), worker=told.format("worker"))
    run.read_until("ready", times=3)
    run.send(signal.SIGTERM)
    assert run.finish() == 0
    stops = [line.rpartition("| ")[2] for line in run.lines if line.endswith("stops")]
    assert set(stops) == {"web stops", "worker stops", "valkey stops"}
    assert stops[-1] == "valkey stops"


def test_kill_9_of_the_supervisor_leaves_neither_children_nor_grandchildren(supervise: Supervise) -> None:
    run = supervise(web=WITH_CHILDREN, worker=STUBBORN, last=STUBBORN)
    run.read_until("ready", times=3)
    family = run.family()
    assert len(family) >= 6
    run.send(signal.SIGKILL)
    run.finish()
    assert survivors(family) == []


def test_grandchildren_that_outlive_their_parent_are_killed(supervise: Supervise) -> None:
    run = supervise(web="trap 'exit 3' USR1; sleep 60 & echo ready; wait")
    run.read_until("ready")
    family = run.family()
    [web] = [process for process in family[1:] if process.children()]
    web.send_signal(signal.SIGUSR1)
    assert run.finish() == 3
    assert survivors(family) == []


def test_a_first_step_that_fails_starts_nothing_after_it(supervise: Supervise) -> None:
    run = supervise(first="echo cannot migrate; exit 4", web="echo started")
    assert run.finish() == 4
    assert "cannot migrate" in run.output
    assert "started" not in run.output


def test_a_first_step_can_be_stopped(supervise: Supervise) -> None:
    run = supervise(first=QUIET, web="echo started")
    run.read_until("ready")
    run.send(signal.SIGTERM)
    assert run.finish() == 0
    assert "started" not in run.output


def test_a_hangup_is_ignored_under_nohup(runs: Callable[..., Run]) -> None:
    code = """
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
from embedded.supervisor import Stopped, Supervisor
try:
    with Supervisor() as supervisor:
        supervisor.start("web", ["/bin/sh", "-c", "echo ready; exec sleep 60"])
        supervisor.wait()
except Stopped as stopped:
    sys.exit(stopped.exit_code)
"""
    run = runs(code)
    run.read_until("ready")
    run.send(signal.SIGHUP)
    run.send(signal.SIGTERM)
    assert run.finish() == 0
    assert "SIGHUP" not in run.output


def test_processes_go_on_when_nobody_reads_our_output_any_more(supervise: Supervise) -> None:
    run = supervise(web="echo ready; seq 100000; exec sleep 60")
    run.read_until("ready")
    assert run.process.stdout is not None
    family = run.family()
    run.process.stdout.close()
    run.send(signal.SIGTERM)
    assert run.process.wait(timeout=5) == 0
    assert survivors(family) == []
