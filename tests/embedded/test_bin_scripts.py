"""The scripts in bin/ and .ci/ are plain POSIX shell, and let nothing that lies about on the machine stand in."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.embedded.family import ROOT

SCRIPTS = ["bin/setup", "bin/run", "bin/test", "bin/drive", ".ci/run"]

A_TEST_COMMAND = """#!/bin/sh
mkdir -p "$VENV_DIR" && touch "$VENV_DIR/made" && echo "$VENV_DIR"
echo "${VIRTUAL_ENV:-no}"
echo "1 failed"
exit 7
"""


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_is_executable_posix_shell(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    shell = shutil.which("dash") or "sh"
    subprocess.run([shell, "-n", ROOT / script], check=True)


def test_ci_tests_in_an_environment_made_from_nothing_and_removes_it(tmp_path: Path) -> None:
    for name in (".ci", "bin", ".venv"):
        (tmp_path / name).mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    (tmp_path / "bin" / "test").write_text(A_TEST_COMMAND)
    (tmp_path / "bin" / "test").chmod(0o755)
    environment = {"PATH": os.defpath, "VENV_DIR": str(tmp_path / ".venv"), "VIRTUAL_ENV": str(tmp_path / ".venv")}
    ended = subprocess.run([tmp_path / ".ci" / "run"], env=environment, cwd="/", capture_output=True, text=True)
    made_in, active, closing_line = ended.stdout.splitlines()
    assert ended.returncode == 7
    assert not made_in.startswith(str(tmp_path)) and not Path(made_in).parent.exists()
    assert (active, closing_line) == ("no", "1 failed")
