"""An earlier commit of the project, in a folder and an environment of its own, to be measured beside this one."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from bench.servers import CHECKOUT

FIRST_STAGE = "c639593"
"""The commit that the second stage is measured against."""

STAMP = ".made"


@dataclass(frozen=True)
class Released:
    """A checkout, and the Python that has what it stands on."""

    folder: Path
    python: Path


def this_one() -> Released:
    """Return this checkout, with the Python that runs this program."""
    return Released(CHECKOUT, Path(sys.executable))


def released(commit: str) -> Released:
    """Return a commit, which is taken out and given its locked requirements when that was not done before."""
    parent = CHECKOUT / (os.environ.get("VAR_DIR") or "var") / f"bench-{commit}"
    made = Released(parent / "checkout", parent / "venv" / "bin" / "python")
    if (parent / STAMP).exists():
        return made
    print(f"taking {commit} out into {parent}", file=sys.stderr)
    shutil.rmtree(parent, ignore_errors=True)
    archive = subprocess.run(["git", "archive", commit], cwd=CHECKOUT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(made.folder, filter="data")
    subprocess.run([sys.executable, "-m", "venv", str(parent / "venv")], check=True)
    install = [str(made.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    subprocess.run([*install, "--require-hashes", "-r", str(made.folder / "requirements.txt")], check=True)
    (parent / STAMP).touch()
    return made
