"""Read what the run command is told by the environment, by `.env` and by the Procfile.

It decides only what is needed to start the processes. What the settings mean to the application, and whether they are
valid there, is the application's business: everything is handed on to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values
from honcho.environ import parse_procfile  # type: ignore[import-untyped]

from embedded.ports import LOOPBACK

DEFAULT_PORT = "8000"
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - the web server's own default
PROGRAMS = ("release", "web", "worker", "beat")


class SettingsError(Exception):
    """A setting is wrong; the message is one clear line."""


@dataclass(frozen=True)
class Settings:
    """What to run and where; `environment` is everything that was given, for the processes."""

    checkout: Path
    var_dir: Path
    host: str
    port: int
    environment: Mapping[str, str]
    commands: Mapping[str, str]

    def is_given(self, name: str) -> bool:
        """Tell whether a setting was given: an empty value counts as none."""
        return bool(self.environment.get(name))

    @property
    def url(self) -> str:
        """Return the base URL at which the API will answer on this machine."""
        host = LOOPBACK if self.host == EVERY_ADDRESS else self.host
        return f"http://{host}:{self.port}"


def load(environ: Mapping[str, str], checkout: Path) -> Settings:
    """Return the settings of a run from this environment and this checkout; SettingsError when they cannot work.

    The environment wins over `.env`. A relative VAR_DIR starts at the checkout.
    """
    environment = {**_dotenv(checkout / ".env"), **environ}
    return Settings(
        checkout=checkout,
        var_dir=checkout / (environment.get("VAR_DIR") or "var"),
        host=environment.get("HOST") or EVERY_ADDRESS,
        port=_port(environment.get("PORT") or DEFAULT_PORT),
        environment=environment,
        commands=_commands(checkout / "Procfile"),
    )


def _dotenv(path: Path) -> dict[str, str]:
    # Not interpolated: a `$` in a password is a dollar sign.
    try:
        values = dotenv_values(path, interpolate=False, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {path}: {error}") from error
    return {name: value for name, value in values.items() if value is not None}


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise SettingsError(f"PORT must be a number from 1 to 65535, not {text!r}")
    return int(text)


def _commands(procfile: Path) -> dict[str, str]:
    try:
        commands: Mapping[str, str] = parse_procfile(procfile.read_text(encoding="utf-8")).processes
    except OSError as error:
        raise SettingsError(f"cannot read the Procfile: {error}") from error
    missing = [name for name in PROGRAMS if name not in commands]
    if missing:
        raise SettingsError(f"{procfile} has no line for {', '.join(missing)}")
    return {name: commands[name] for name in PROGRAMS}
