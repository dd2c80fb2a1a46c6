"""What bin/setup meets in its tests: Pythons that pretend, and a uv that only keeps a record of its calls."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

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
echo "$*" >>"$CALLS"
case $1 in
    venv) mkdir -p "$6/bin" && touch "$6/pyvenv.cfg" && printf '#!/bin/sh\\nexec {python} "$@"\\n' >"$6/bin/python" &&
        chmod +x "$6/bin/python" ;;
    pip) [ ! -e "$CALLS.fail" ] ;;
esac
"""
MADE = ["venv", "pip install", "pip check"]

Setup = Callable[..., "subprocess.CompletedProcess[str]"]


def install(tools: Path, name: str, script: str) -> None:
    (tools / name).write_text(script)
    (tools / name).chmod(0o755)


def pretend(tools: Path, name: str, pretence: str) -> None:
    install(tools, name, PRETENDER.format(python=sys.executable, pretence=pretence))


def steps(calls: Path) -> list[str]:
    """Return what uv was asked for, in short."""
    return [call.partition(" -")[0] for call in calls.read_text().splitlines()]
