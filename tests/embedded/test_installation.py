"""Nothing but the locks decides what is installed: of pip's and uv's own settings only where packages lie counts."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.embedded.family import ROOT

MIRROR = "https://mirror.example/simple"
PIP_LEAKS = {
    "PIP_CONSTRAINT": "/nowhere/constraints.txt",
    "PIP_REQUIREMENT": "/nowhere/more.txt",
    "PIP_TARGET": "/nowhere",
    "PIP_NO_BINARY": ":all:",
    "PIP_USER": "1",
}
UV_LEAKS = {"UV_CONSTRAINT": "/nowhere", "UV_OVERRIDE": "/nowhere", "UV_VENV_SEED": "1", "UV_NO_BINARY": "1"}

# Tells what a step is told: its arguments and its environment, a line each. Stands in for uv.
WITNESS = """#!{python}
import json, os, sys
with open({record!r}, "a") as file:
    print(json.dumps([sys.argv[1:], dict(os.environ)]), file=file)
"""


def pip_settings(**environment: str) -> dict[str, str]:
    """Return what pip would be told of its own settings, in an environment that says nothing else of it."""
    code = """
import json, os, sys
from embedded.installation import kept_of_pip, settings_of
print(json.dumps(kept_of_pip(settings_of([sys.executable, "-I", "-m", "pip"], os.environ))))
"""
    neutral = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=neutral | environment, check=True, capture_output=True, text=True
    )
    return dict(json.loads(told.stdout))


def test_pip_is_told_where_packages_lie_and_nothing_else() -> None:
    told = pip_settings(PIP_CONFIG_FILE=os.devnull, PIP_INDEX_URL=MIRROR, PIP_DEFAULT_TIMEOUT="60", **PIP_LEAKS)
    assert told == {"PIP_INDEX_URL": MIRROR, "PIP_DEFAULT_TIMEOUT": "60"}


def test_the_files_of_pip_count_for_as_much_as_its_variables(tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text(
        f"[global]\nconstraint = /nowhere\nindex-url = {MIRROR}\nfind-links =\n  /one\n  /two\ntimeout = 1\n"
        "[install]\ntarget = /nowhere\ntimeout = 2\n[download]\nretries = 9\n"
    )
    told = pip_settings(PIP_CONFIG_FILE=str(config))
    assert told["PIP_INDEX_URL"] == MIRROR
    assert told["PIP_FIND_LINKS"].split() == ["/one", "/two"]
    assert told["PIP_TIMEOUT"] == "2", "the section of the command wins"
    assert not {"PIP_CONSTRAINT", "PIP_TARGET", "PIP_RETRIES"} & told.keys()
    assert pip_settings(PIP_CONFIG_FILE=str(config), PIP_TIMEOUT="3")["PIP_TIMEOUT"] == "3", "a variable wins"
    assert pip_settings(PIP_CONFIG_FILE=str(config), PIP_QUIET="1") == told, "however quiet pip is to be"


def test_uv_is_told_where_packages_lie_and_nothing_else(tmp_path: Path) -> None:
    record = tmp_path / "record"
    uv = tmp_path / "uv"
    uv.write_text(WITNESS.format(python=sys.executable, record=str(record)))
    uv.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "UV_DEFAULT_INDEX": MIRROR, "UV_INDEX_X_PASSWORD": "secret"}
    installation = [sys.executable, "-I", "embedded/installation.py", "uv", str(tmp_path / "venv"), "lock.txt"]
    leaks = UV_LEAKS | PIP_LEAKS | {"VIRTUAL_ENV": "/nowhere", "PYTHONPATH": "/nowhere"}
    subprocess.run(installation, cwd=ROOT, env=environment | leaks, check=True, timeout=30)
    steps = [json.loads(line) for line in record.read_text().splitlines()]
    assert [step[0][:2] for step in steps] == [["venv", "--no-config"], ["pip", "install"], ["pip", "check"]]
    assert all("--no-config" in step[0] for step in steps)
    assert {"--no-deps", "--require-hashes", "--no-build"} <= set(steps[1][0])
    for _, told in steps:
        assert environment.items() <= told.items()
        assert not leaks.keys() & told.keys()
