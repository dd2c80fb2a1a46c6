"""A clean checkout makes both environments from nothing with pip alone, whatever else the machine has been told.

The packages come from the registry. Where none can be reached the tests are skipped, except in CI, where they fail.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.embedded.family import ROOT

pytestmark = pytest.mark.timeout(900)

TOOLS = ["cat", "chmod", "dirname", "ls", "mkdir", "mv", "rm", "sh", "touch"]
PRODUCT = "import driveplayer.__main__, embedded.__main__, worker; from webapp import create_app; create_app()"


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PATH of its own, with Python and without uv."""
    folder = tmp_path_factory.mktemp("tools")
    for name in TOOLS:
        (folder / name).symlink_to(shutil.which(name) or "")
    (folder / "python3").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    return folder


@pytest.fixture(scope="module")
def hostile(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """This machine's environment, and what would install something else if anybody listened to it."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "constraints.txt").write_text("flask<1\ncoverage<1\n")
    (folder / "celery.py").write_text("raise SystemExit('imported from PYTHONPATH')\n")
    return {
        **{name: value for name, value in os.environ.items() if name != "VENV_DIR"},
        "PATH": str(tools),
        "PIP_CONSTRAINT": str(folder / "constraints.txt"),
        "PIP_TARGET": str(folder / "elsewhere"),
        "PIP_NO_BINARY": ":all:",
        "PIP_QUIET": "1",
        "PYTHONPATH": str(folder),
        "PYTHONHOME": str(folder),
    }


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip, or fail in CI, where the smallest package of the locks cannot be fetched either."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", "--retries", "1"]
    target = ["--dest", str(tmp_path_factory.mktemp("probe")), "iniconfig"]
    probe = subprocess.run([*command, *target], capture_output=True, text=True, check=False)
    if probe.returncode:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse(f"no package registry can be reached: {probe.stderr.strip()[-300:]}")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of every file that belongs to the project, and of no other."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for path in (ROOT / name for name in names if name and (ROOT / name).is_file()):
        copy = tmp_path / "checkout" / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return tmp_path / "checkout"


def run(command: list[str], checkout: Path, environment: dict[str, str]) -> str:
    ended = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def locked(package: str) -> str:
    """Return the version of a package in the locks."""
    lock = (ROOT / "requirements-dev.txt").read_text()
    return re.findall(rf"^{package}==(\S+)", lock, re.MULTILINE)[0]


def clean(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


def test_the_product_stands_on_what_bin_setup_installs(registry: None, checkout: Path, hostile: dict[str, str]) -> None:
    run(["bin/setup"], checkout, hostile)
    run([".venv/bin/python", "-c", PRODUCT], checkout, clean(hostile))
    for program in ("gunicorn", "celery", "flask"):
        run([f".venv/bin/{program}", "--version"], checkout, clean(hostile))
    assert not (checkout / ".venv" / "bin" / "pytest").exists()


def test_the_tests_run_on_what_bin_test_installs(registry: None, checkout: Path, hostile: dict[str, str]) -> None:
    assert run(["bin/test", "--version"], checkout, hostile) == f"pytest {locked('pytest')}\n"
    collected = run(["bin/test", "-n", "0", "-q", "tests/contracts/test_locks.py"], checkout, hostile)
    assert "failed" not in collected and "passed" in collected
