"""The scripts in bin/ are plain POSIX shell; bin/setup says what is missing and does not repeat what is done."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.embedded.family import ROOT

SCRIPTS = ["bin/setup", "bin/run", "bin/test", "bin/drive", ".ci/run"]
TOOLS = ["cat", "chmod", "dirname", "ls", "mkdir", "mv", "rm", "sh", "touch"]

# A python3 that pretends: it runs the given code in this interpreter, after a line that changes how that looks.
PRETENDER = """#!/bin/sh
[ "$1" = -c ] || exec {python} "$@"
shift
code=$1
shift
exec {python} -c 'import sys
{pretence}
exec(sys.argv.pop(1))' "$code" "$@"
"""

# A uv that makes an environment with nothing in it, and keeps a record of its calls.
FAKE_UV = """#!/bin/sh
echo "$*" >>"$UV_CALLS"
case $1 in
    venv) mkdir -p "$5/bin" && touch "$5/pyvenv.cfg" && printf '#!/bin/sh\\nexec {python} "$@"\\n' >"$5/bin/python" &&
        chmod +x "$5/bin/python" ;;
    pip) [ ! -e "$UV_CALLS.fail" ] ;;
esac
"""

Setup = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH of its own: the tools that a script may use, and no Python."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in TOOLS:
        (folder / name).symlink_to(shutil.which(name) or "")
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout with a space"
    (folder / "bin").mkdir(parents=True)
    shutil.copy(ROOT / "bin" / "setup", folder / "bin" / "setup")
    (folder / "requirements.txt").write_text("flask==1\n")
    (folder / "requirements-dev.txt").write_text("pytest==1\n")
    return folder


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """The record of what the fake uv was asked for."""
    path = tmp_path / "calls"
    path.touch()
    return path


@pytest.fixture
def setup(checkout: Path, tools: Path, calls: Path) -> Setup:
    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(checkout / "bin" / "setup"), *arguments],
            env={"PATH": str(tools), "UV_CALLS": str(calls), **environment},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return run


def install(tools: Path, name: str, script: str) -> None:
    (tools / name).write_text(script)
    (tools / name).chmod(0o755)


def pretend(tools: Path, name: str, pretence: str) -> None:
    install(tools, name, PRETENDER.format(python=sys.executable, pretence=pretence))


@pytest.fixture
def with_uv(tools: Path) -> None:
    pretend(tools, "python3", "pass")
    install(tools, "uv", FAKE_UV.format(python=sys.executable))


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_is_executable_posix_shell(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    shell = shutil.which("dash") or "sh"
    subprocess.run([shell, "-n", ROOT / script], check=True)


def test_a_machine_without_python_is_told(setup: Setup) -> None:
    result = setup()
    assert result.returncode == 1
    assert result.stderr == "bin/setup: python3 is not on PATH; install Python 3.11 or newer\n"


def test_a_python_that_is_too_old_is_told(setup: Setup, tools: Path) -> None:
    pretend(tools, "python3", "sys.version_info = (3, 9, 18)")
    result = setup()
    assert result.returncode == 1
    assert result.stderr == "bin/setup: python3 is Python 3.9; 3.11 or newer is needed\n"


def test_a_python_without_venv_is_told_what_to_install(setup: Setup, tools: Path) -> None:
    pretend(tools, "python3", 'sys.modules["ensurepip"] = None')
    result = setup()
    assert result.returncode == 1
    assert "python3 has no venv module" in result.stderr
    assert "apt-get install python3-venv" in result.stderr


def test_a_newer_python_under_another_name_is_found(setup: Setup, tools: Path, with_uv: None, calls: Path) -> None:
    pretend(tools, "python3", "sys.version_info = (3, 9, 18)")
    pretend(tools, "python3.12", f'sys.executable = "{tools}/python3.12"')
    setup()
    assert f"venv --quiet --python {tools}/python3.12 " in calls.read_text()


def test_unknown_arguments_are_refused(setup: Setup) -> None:
    result = setup("--fast")
    assert result.returncode == 1
    assert "--fast" in result.stderr


def test_only_hashed_packages_are_installed(setup: Setup, with_uv: None, calls: Path, checkout: Path) -> None:
    assert setup("--dev").returncode == 0
    [made, installed] = calls.read_text().splitlines()
    assert made.endswith(f"{checkout}/.venv")
    assert installed.endswith("--require-hashes -r requirements.txt -r requirements-dev.txt")


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
    assert [call.split()[0] for call in calls.read_text().splitlines()] == ["venv", "pip", "pip"]
    assert setup().returncode == 0
    assert setup("--dev").returncode == 0
    assert len(calls.read_text().splitlines()) == 3


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_a_lock_that_changed_means_a_new_environment(
    setup: Setup, with_uv: None, calls: Path, checkout: Path, lock: str
) -> None:
    setup("--dev")
    (checkout / lock).write_text("redis==2\n")
    setup("--dev")
    assert [call.split()[0] for call in calls.read_text().splitlines()] == ["venv", "pip", "venv", "pip"]


def test_a_checkout_that_was_moved_gets_a_new_environment(
    setup: Setup, with_uv: None, calls: Path, checkout: Path, tools: Path
) -> None:
    # The scripts in an environment hold its full path.
    setup()
    moved = checkout.rename(checkout.with_name("moved"))
    subprocess.run([moved / "bin" / "setup"], env={"PATH": str(tools), "UV_CALLS": str(calls)}, check=True)
    assert [call.split()[0] for call in calls.read_text().splitlines()] == ["venv", "pip", "venv", "pip"]


def test_an_environment_whose_python_is_gone_is_made_anew(
    setup: Setup, with_uv: None, calls: Path, checkout: Path
) -> None:
    setup()
    (checkout / ".venv" / "bin" / "python").unlink()
    assert setup().returncode == 0
    assert [call.split()[0] for call in calls.read_text().splitlines()] == ["venv", "pip", "venv", "pip"]


def test_an_installation_that_failed_is_started_over(setup: Setup, with_uv: None, calls: Path) -> None:
    fail = calls.with_name("calls.fail")
    fail.touch()
    result = setup()
    assert result.returncode == 1
    assert "the installation failed; the next run starts over" in result.stderr
    fail.unlink()
    assert setup().returncode == 0
    assert [call.split()[0] for call in calls.read_text().splitlines()] == ["venv", "pip", "venv", "pip"]


def test_two_at_once_make_one_environment(
    setup: Setup, tools: Path, with_uv: None, calls: Path, checkout: Path
) -> None:
    # The first one waits inside its installation until the second one has said that it waits for the first.
    gate = calls.with_name("gate")
    os.mkfifo(gate)
    install(tools, "uv", FAKE_UV.format(python=sys.executable).replace("pip) ", f"pip) read -r go <'{gate}'; "))
    command, environment = [checkout / "bin" / "setup"], {"PATH": str(tools), "UV_CALLS": str(calls)}
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
    assert [call.split()[0] for call in calls.read_text().splitlines()] == ["venv", "pip"]


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
