"""bin/setup takes the first Python that will do, and says what is wrong where there is none."""

from pathlib import Path

from tests.embedded.bin_setup.fakes import MADE, Setup, pretend, steps


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
    pretend(tools, "python3.12", "pass")
    pretend(tools, "python3.13", "raise SystemExit('is not asked any more')")
    assert setup().returncode == 0
    assert steps(calls) == MADE


def test_a_python_that_no_lock_has_wheels_for_is_told(setup: Setup, tools: Path) -> None:
    pretend(tools, "python3", "sys.version_info = (3, 15, 0)")
    result = setup()
    assert result.returncode == 1
    assert result.stderr == "bin/setup: python3 is Python 3.15; the locks have wheels for 3.11 to 3.14\n"
