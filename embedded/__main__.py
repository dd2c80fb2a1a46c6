"""Run the whole product on this machine: Valkey where none is given, then the Procfile's processes."""

import fcntl
import http
import http.client
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from embedded import keyfile, settings
from embedded.child import StartError
from embedded.keyfile import KeyFileError
from embedded.ports import require_free
from embedded.settings import Settings, SettingsError
from embedded.supervisor import Stopped, Supervisor
from embedded.valkey import Valkey

CHECKOUT = Path(__file__).resolve().parent.parent
READY_TIMEOUT_S = 60.0
READY_INTERVAL_S = 0.2
READY_ANSWER_S = 2.0
REGISTRATION = '{"email":"alice@example.com","password":"correct horse battery","full_name":"Alice"}'


def main(checkout: Path = CHECKOUT, environ: Mapping[str, str] = os.environ) -> int:
    """Run everything until it is stopped, and return the exit code.

    0 when a stop was asked for, 1 with one clear line when it cannot start, else the code of the process that ended.
    """
    # The database, the secrets and the logs are nobody else's to read.
    os.umask(0o077)
    try:
        chosen = settings.load(environ, checkout)
        with lock(chosen.var_dir), Supervisor() as supervisor:
            check_port(chosen)
            serve(chosen, supervisor)
    except Stopped as stopped:
        return stopped.exit_code
    except (SettingsError, KeyFileError, StartError) as error:
        print(f"bin/run: {error}", file=sys.stderr)
        return 1


def serve(chosen: Settings, supervisor: Supervisor) -> NoReturn:
    """Start everything and wait until the run is over, which is told by raising Stopped."""
    environment = environment_of(chosen)
    if not chosen.is_given("REDIS_URL"):
        valkey = Valkey(
            password=keyfile.load_or_create(chosen.var_dir / "valkey.key"), data_dir=chosen.var_dir / "valkey"
        )
        valkey.start()
        supervisor.adopt("valkey", valkey.child)
        environment["REDIS_URL"] = valkey.url
    release, *programs = chosen.commands
    supervisor.run(release, shell(chosen.commands[release]), env=environment, cwd=chosen.checkout)
    for name in programs:
        supervisor.start(name, shell(chosen.commands[name]), env=environment, cwd=chosen.checkout)
    threading.Thread(target=announce, args=(chosen, supervisor), daemon=True).start()
    supervisor.wait()


def environment_of(chosen: Settings) -> dict[str, str]:
    """Return the environment of the processes, all but REDIS_URL, and make the secrets that it needs."""
    environment = {
        **chosen.environment,
        "PORT": str(chosen.port),
        "VAR_DIR": str(chosen.var_dir),
        # The programs of this environment come first, whichever way it was started.
        "PATH": os.pathsep.join([str(Path(sys.prefix) / "bin"), chosen.environment.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
    }
    if not chosen.is_given("DATABASE_URL"):
        environment["DATABASE_URL"] = f"sqlite:///{chosen.var_dir / 'driving.db'}"
    if not chosen.is_given("CELERYBEAT_SCHEDULE_FILENAME"):
        environment["CELERYBEAT_SCHEDULE_FILENAME"] = str(chosen.var_dir / "celerybeat-schedule")
    # In production a secret is chosen by the people who run it; the application refuses to start without one.
    if not chosen.is_given("JWT_SECRET_KEY") and chosen.environment.get("APP_ENV") != "production":
        environment["JWT_SECRET_KEY"] = keyfile.load_or_create(chosen.var_dir / "jwt.key")
    return environment


def shell(command: str) -> list[str]:
    """Return the argument list that runs a Procfile line; its `exec` makes the program take the shell's place."""
    return ["/bin/sh", "-c", command]


@contextmanager
def lock(var_dir: Path) -> Iterator[None]:
    """Make the folder where it is missing and hold it for this process alone; SettingsError when another has it."""
    try:
        var_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(var_dir / "run.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise SettingsError(f"cannot use VAR_DIR {var_dir}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"another copy runs in {var_dir}; set VAR_DIR and PORT to run a second one"
            raise SettingsError(message) from error
        yield
    finally:
        os.close(descriptor)


def check_port(chosen: Settings) -> None:
    """Raise SettingsError when the web server could not listen where it is told to.

    It is asked beforehand because the web server would try for five seconds, and say so in eleven lines.
    """
    try:
        require_free(chosen.port, chosen.host.strip("[]"))
    except OSError as error:
        where = f"port {chosen.port} of {chosen.host}"
        raise SettingsError(f"cannot listen on {where}: {error.strerror}; set PORT to a free one") from error


def announce(chosen: Settings, supervisor: Supervisor) -> None:
    """Wait until the API is ready, then print its URL and a first call to try."""
    for _ in range(int(READY_TIMEOUT_S / READY_INTERVAL_S)):
        if is_ready(chosen.url):
            call = f"curl -s -X POST {chosen.url}/api/v1/auth/register"
            call = f"{call} -H 'Content-Type: application/json' -d '{REGISTRATION}'"
            supervisor.show(f"\nReady at {chosen.url} (Ctrl-C stops everything). A first call to try:\n{call}\n")
            return
        threading.Event().wait(READY_INTERVAL_S)
    supervisor.show(f"bin/run: not ready after {READY_TIMEOUT_S:g} s, see the lines above")


def is_ready(url: str) -> bool:
    """Tell whether /health/ready answers 200."""
    # Not urllib, which would ask a proxy that the environment names.
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=READY_ANSWER_S)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
