"""bin/setup in a checkout of its own, with a PATH of its own and a uv that only keeps a record."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.embedded.bin_setup.fakes import FAKE_UV, Setup, install, pretend
from tests.embedded.family import ROOT

TOOLS = ["cat", "chmod", "dirname", "ls", "mkdir", "mv", "rm", "sh", "touch"]


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
    (folder / "embedded").mkdir()
    for name in ("bin/setup", "embedded/installation.py"):
        shutil.copy(ROOT / name, folder / name)
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
            env={"PATH": str(tools), "CALLS": str(calls), **environment},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return run


@pytest.fixture
def with_uv(tools: Path) -> None:
    pretend(tools, "python3", "pass")
    install(tools, "uv", FAKE_UV.format(python=sys.executable))
