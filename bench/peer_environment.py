"""The peers' own environment: made from their pinned requirements when it is not there, apart from the project's."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.servers import CHECKOUT, PEERS

REQUIREMENTS = PEERS / "requirements.txt"
STAMP = ".made-from"


def python_of_peers() -> Path:
    """Return the peers' Python. Their environment is made, with uv or pip, unless it was made from today's pins."""
    folder = CHECKOUT / (os.environ.get("VAR_DIR") or "var") / "bench-peers"
    python, stamp = folder / "bin" / "python", folder / STAMP
    fingerprint = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == fingerprint:
        return python
    print(f"making the peers' environment in {folder}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", *_without_pip(), str(folder)], check=True)
    subprocess.run([*_installer(python), "--quiet", "-r", str(REQUIREMENTS)], check=True)
    stamp.write_text(fingerprint)
    return python


def _without_pip() -> list[str]:
    return ["--without-pip"] if shutil.which("uv") else []


def _installer(python: Path) -> list[str]:
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--python", str(python)]
    return [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
