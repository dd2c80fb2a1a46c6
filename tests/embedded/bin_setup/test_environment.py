"""bin/setup makes an environment of what is locked, once, and does not repeat what is done."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.embedded.bin_setup.fakes import FAKE_UV, MADE, Setup, install, steps


def test_unknown_arguments_are_refused(setup: Setup) -> None:
    result = setup("--fast")
    assert result.returncode == 1
    assert "--fast" in result.stderr


def test_only_hashed_packages_are_installed(setup: Setup, with_uv: None, calls: Path, checkout: Path) -> None:
    assert setup("--dev").returncode == 0
    [made, installed, checked] = calls.read_text().splitlines()
    assert made.endswith(f"{checkout}/.venv")
    assert installed.endswith("--no-deps --require-hashes --no-build -r requirements.txt -r requirements-dev.txt")
    assert checked == f"pip check --no-config --python {checkout}/.venv/bin/python"


def test_locks_that_do_not_fit_together_are_told(setup: Setup, tools: Path, with_uv: None) -> None:
    complaint = '[ "$2" = install ] || { echo "flask needs it"; false; } ;;'
    install(tools, "uv", FAKE_UV.format(python=sys.executable).replace('[ ! -e "$CALLS.fail" ] ;;', complaint))
    result = setup()
    assert result.returncode == 1
    assert result.stderr.splitlines()[1:] == ["flask needs it", "bin/setup: the locks do not fit together"]


def test_a_second_run_does_nothing_and_says_nothing(setup: Setup, with_uv: None, calls: Path) -> None:
    setup()
    before = calls.read_text()
    result = setup()
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert calls.read_text() == before


def test_a_second_run_needs_neither_python_nor_uv_on_the_path(setup: Setup, tools: Path, with_uv: None) -> None:
    setup()
    (tools / "python3").unlink()
    (tools / "uv").unlink()
    assert setup().returncode == 0


def test_the_development_tools_are_added_to_what_is_there(setup: Setup, with_uv: None, calls: Path) -> None:
    setup()
    setup("--dev")
    assert steps(calls) == [*MADE, *MADE[1:]]
    assert setup().returncode == 0
    assert setup("--dev").returncode == 0
    assert steps(calls) == [*MADE, *MADE[1:]]


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_a_lock_that_changed_means_a_new_environment(
    setup: Setup, with_uv: None, calls: Path, checkout: Path, lock: str
) -> None:
    setup("--dev")
    (checkout / lock).write_text("redis==2\n")
    setup("--dev")
    assert steps(calls) == [*MADE, *MADE]


def test_a_checkout_that_was_moved_gets_a_new_environment(
    setup: Setup, with_uv: None, calls: Path, checkout: Path, tools: Path
) -> None:
    # The scripts in an environment hold its full path.
    setup()
    moved = checkout.rename(checkout.with_name("moved"))
    subprocess.run([moved / "bin" / "setup"], env={"PATH": str(tools), "CALLS": str(calls)}, check=True)
    assert steps(calls) == [*MADE, *MADE]


def test_an_environment_whose_python_is_gone_is_made_anew(
    setup: Setup, with_uv: None, calls: Path, checkout: Path
) -> None:
    setup()
    (checkout / ".venv" / "bin" / "python").unlink()
    assert setup().returncode == 0
    assert steps(calls) == [*MADE, *MADE]


def test_an_installation_that_failed_is_started_over(setup: Setup, with_uv: None, calls: Path) -> None:
    fail = calls.with_name("calls.fail")
    fail.touch()
    result = setup()
    assert result.returncode == 1
    assert "the installation failed; the next run starts over" in result.stderr
    fail.unlink()
    assert setup().returncode == 0
    assert steps(calls) == [*MADE[:2], *MADE]


def test_two_at_once_make_one_environment(
    setup: Setup, tools: Path, with_uv: None, calls: Path, checkout: Path
) -> None:
    # The first one waits inside its installation until the second one has said that it waits for the first.
    gate = calls.with_name("gate")
    os.mkfifo(gate)
    waits = f"pip) [ $2 = check ] || read -r go <'{gate}'; "
    install(tools, "uv", FAKE_UV.format(python=sys.executable).replace("pip) ", waits))
    command, environment = [checkout / "bin" / "setup"], {"PATH": str(tools), "CALLS": str(calls)}
    first = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while "pip" not in calls.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    second = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert second.stderr is not None
    assert second.stderr.readline() == "bin/setup: another one is at work here, waiting for it\n"
    gate.write_text("go\n")
    assert first.wait(timeout=10) == 0
    assert second.wait(timeout=10) == 0
    second.stderr.close()
    assert steps(calls) == MADE


def test_a_folder_that_is_no_environment_is_not_removed(setup: Setup, with_uv: None, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    result = setup(VENV_DIR=str(precious))
    assert result.returncode == 1
    assert "is no Python environment" in result.stderr
    assert (precious / "thesis.txt").read_text() == "years of work"


def test_another_folder_can_be_named(setup: Setup, with_uv: None, checkout: Path, tmp_path: Path) -> None:
    assert setup(VENV_DIR=str(tmp_path / "elsewhere")).returncode == 0
    assert (tmp_path / "elsewhere" / "pyvenv.cfg").exists()
    assert not (checkout / ".venv").exists()
