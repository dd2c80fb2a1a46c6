"""Make an environment, install the locks into it, and let nothing but them decide what is in it.

    python -I installation.py pip|uv FOLDER LOCK...

bin/setup runs it before anything is installed, so it stands on the standard library alone.

pip and uv listen to files and to the environment. What these say of where packages lie and how to get there is passed
on, since behind a mirror or a proxy there is no other way, and the locks' hashes hold for what comes from there. All
else is left out: constraints, further requirements, other folders, builds from source. Only wheels are installed, for
a build would fetch what no lock names.
"""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PIP_SECTIONS = ("global", "install", ":env:")
"""Where pip keeps a setting that `pip install` obeys; the later ones win."""

PIP_KEPT = (
    *("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "keyring-provider"),
    *("cert", "client-cert", "proxy", "timeout", "default-timeout", "retries", "cache-dir", "no-cache-dir"),
)
UV_KEPT = (
    *("UV_INDEX", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX", "UV_INSECURE_HOST"),
    *("UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "UV_HTTP_", "UV_KEYRING_PROVIDER", "UV_OFFLINE", "UV_CACHE_DIR"),
    *("UV_NO_CACHE", "UV_LINK_MODE"),
)
"""Prefixes of the variables of uv that are passed on. Its files are not read: a mirror is named by UV_DEFAULT_INDEX."""

LEFT_OUT = ("PIP_", "UV_", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX")


class InstallationError(Exception):
    """A step failed; the message is one clear line, below what the step itself has printed."""


def main(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> int:
    """Make, fill and check the environment. Returns the exit code: 1, after one clear line, when a step failed."""
    installer, folder, *locks = arguments
    try:
        (install_with_uv if installer == "uv" else install_with_pip)(Path(folder), locks, environ)
    except InstallationError as error:
        print(f"bin/setup: {error}", file=sys.stderr)
        return 1
    return 0


def install_with_uv(folder: Path, locks: Sequence[str], environ: Mapping[str, str]) -> None:
    """Do all of it with the uv on PATH."""
    environment = without_others(environ) | {name: v for name, v in environ.items() if name.startswith(UV_KEPT)}
    uv, quietly = str(shutil.which("uv")), ["--no-config", "--quiet"]
    python = ["--python", str(folder / "bin" / "python")]
    if not is_made(folder):
        make = [uv, "venv", *quietly, "--python", sys.executable, str(folder)]
        run(f"cannot make {folder}", make, environment)
    install = [uv, "pip", "install", *quietly, *python, "--no-deps", "--require-hashes", "--no-build"]
    run("the installation failed; the next run starts over", [*install, *as_options(locks)], environment)
    run("the locks do not fit together", [uv, "pip", "check", "--no-config", *python], environment)


def install_with_pip(folder: Path, locks: Sequence[str], environ: Mapping[str, str]) -> None:
    """Do all of it with the pip that comes with Python."""
    python = [str(folder / "bin" / "python"), "-I"]
    clean = without_others(environ)
    if not is_made(folder):
        run(f"cannot make {folder}", [sys.executable, "-I", "-m", "venv", "--without-pip", str(folder)], clean)
    # Of its own, for an environment that uv made has no pip either. Python brings it along.
    run("cannot install pip", [*python, "-m", "ensurepip", "--default-pip"], clean)
    pip = [*python, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    told = settings_of(pip, clean | {name: value for name, value in environ.items() if name.startswith("PIP_")})
    environment = clean | {"PIP_CONFIG_FILE": os.devnull} | kept_of_pip(told)
    install = [*pip, "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    run("the installation failed; the next run starts over", [*install, *as_options(locks)], environment)
    run("the locks do not fit together", [*pip, "check"], environment)


def is_made(folder: Path) -> bool:
    """Say whether there is an environment already, which is then added to."""
    return (folder / "pyvenv.cfg").exists()


def as_options(locks: Sequence[str]) -> list[str]:
    """Name the locks on a command line."""
    return [word for lock in locks for word in ("-r", lock)]


def without_others(environ: Mapping[str, str]) -> dict[str, str]:
    """Leave out what would have another Python, another folder or another version taken."""
    return {name: value for name, value in environ.items() if not name.startswith(LEFT_OUT)}


def settings_of(pip: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return all that pip was told by files and variables, a line each, as `pip config list` prints it."""
    audible = {**environment, "PIP_QUIET": "0"}  # Or a pip that was told to be quiet says nothing here.
    answer = subprocess.run([*pip, "config", "list"], env=audible, stdout=subprocess.PIPE, text=True, check=False)
    if answer.returncode:
        raise InstallationError("pip cannot read its own settings")
    return answer.stdout


def kept_of_pip(settings: str) -> dict[str, str]:
    """Return those settings that say where packages lie, as variables."""
    found: dict[str, dict[str, str]] = {section: {} for section in PIP_SECTIONS}
    for line in settings.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.partition(".")
        if section in found and key in PIP_KEPT:
            found[section][f"PIP_{key.replace('-', '_').upper()}"] = ast.literal_eval(value)
    return {name: value for section in PIP_SECTIONS for name, value in found[section].items()}


def run(problem: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a step. What it prints is shown only when it fails: `InstallationError`, which says what the problem is."""
    step = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if step.returncode:
        sys.stderr.buffer.write(step.stdout)
        sys.stderr.flush()
        raise InstallationError(problem)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
