"""The Procfile's processes as a machine would run them: started, stopped, killed, with what they print kept."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from embedded import settings
from embedded.child import Child
from embedded.ports import free_port
from testbed.api import Api, NoAnswer
from testbed.closing import Closing

CHECKOUT = Path(__file__).resolve().parents[1]
SECRET = "only-for-tests-0123456789-abcdefghijklmnop"

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
"""Process managers lose patience after this, in s."""

POLL_S = 0.02
PLAIN_WSGI = "exec gunicorn -k gthread --threads 4 wsgi:app"
"""A web process of the kind that any WSGI server makes, without the door."""

BYTECODE = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")
LOG_TAIL_LINES = 60


def procfile() -> dict[str, str]:
    """Return the Procfile's lines by their names."""
    return dict(settings.load({}, CHECKOUT).commands)


class FleetError(AssertionError):
    """A process did not do in time what it was asked for; the message ends with what it printed last."""


class Fleet(Closing):
    """Web, worker and beat with a port, a folder and an environment of their own; leaving the block stops them all.

    `environment` is all that the processes are told beyond what this class sets. A program may run more than once,
    under further names.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], commands: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.port = free_port()
        self._commands = commands or procfile()
        self._children: dict[str, Child] = {}
        self.environment = {
            "PATH": os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ.get("PATH", os.defpath)]),
            "HOME": str(folder),
            "PYTHONUNBUFFERED": "1",
            **{name: os.environ[name] for name in BYTECODE if name in os.environ},
            "FLASK_SKIP_DOTENV": "1",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "VAR_DIR": str(folder),
            "JWT_SECRET_KEY": SECRET,
            "PASSWORD_HASH_MEMORY_KIB": "8",  # Cheap, in tests only.
            "LOG_LEVEL": "WARNING",
            "WEB_CONCURRENCY": "2",
            **environment,
        }

    def run(self, program: str) -> None:
        """Run a program, such as `release`, to its end; FleetError unless it succeeds."""
        child = self._launch(program, program, {})
        if not child.wait(START_TIMEOUT_S) or child.exit_code != 0:
            raise self._error(program, f"ended with {child.exit_code}")

    def start(self, program: str, *, name: str | None = None, **environment: str) -> None:
        """Start a program, under a further name and with more environment if given, and wait until it works."""
        name = name or program
        self._children[name] = self._launch(program, name, environment)
        self._wait_for_start(program, name)

    def ensure(self, *programs: str) -> None:
        """Start those that do not run, side by side."""
        missing = [program for program in programs if not self.is_running(program)]
        for program in missing:
            self._children[program] = self._launch(program, program, {})
        for program in missing:
            self._wait_for_start(program, program)

    def wait_for_web(self) -> None:
        """Wait until every web worker that is asked for exists, and the API is ready."""
        workers = int(self.environment["WEB_CONCURRENCY"])
        self.wait(lambda: len(self.children("web")) >= workers and self._is_ready(), START_TIMEOUT_S, "web", "be ready")

    def wait(self, condition: Callable[[], object], within_s: float, name: str, what: str) -> None:
        """Wait for something that a process is to do; FleetError when it ended or took longer."""
        deadline = time.monotonic() + within_s
        while not condition():
            if not self.is_running(name):
                raise self._error(name, f"ended with {self._children[name].exit_code}, and did not {what}")
            if time.monotonic() > deadline:
                raise self._error(name, f"did not {what} within {within_s:g} s")
            time.sleep(POLL_S)

    def terminate(self, *names: str) -> None:
        """Send a TERM to each process, as a process manager does, and do not wait."""
        for name in names:
            self._children[name].terminate()

    def end_of(self, name: str, within_s: float = STOP_TIMEOUT_S) -> int:
        """Wait for the end of a process and return its exit code; FleetError, and a kill, when it takes longer."""
        child = self._children[name]
        if not child.wait(within_s):
            child.kill()
            child.wait()
            raise self._error(name, f"did not end within {within_s:g} s")
        assert child.exit_code is not None
        return child.exit_code

    def stop(self, *names: str) -> list[int]:
        """Terminate these processes together and return their exit codes."""
        self.terminate(*names)
        return [self.end_of(name) for name in names]

    def kill(self, name: str) -> None:
        """Kill a process and its children at once."""
        self._children[name].kill()
        self._children[name].wait()

    def is_running(self, name: str) -> bool:
        """Say whether a process was started and has not ended."""
        return name in self._children and self._children[name].exit_code is None

    def pid(self, name: str) -> int:
        """Return the process id of a process."""
        return self._children[name].pid

    def children(self, name: str) -> list[psutil.Process]:
        """Return the direct children of a process: the web server's workers, or the task pool of the worker."""
        try:
            return list(psutil.Process(self._children[name].pid).children())
        except psutil.NoSuchProcess:
            return []

    def log_path(self, name: str) -> Path:
        """Return where the output of a process goes; all starts of one name share it."""
        return self.folder / f"{name}.log"

    def log(self, name: str) -> str:
        """Return what a process printed since its last start."""
        if not self.log_path(name).exists():
            return ""
        return self.log_path(name).read_text(errors="replace").rpartition(_start_line(name))[2]

    def tails(self) -> dict[str, str]:
        """Return the end of what every process printed, by name."""
        return {name: "\n".join(self.log(name).splitlines()[-LOG_TAIL_LINES:]) for name in self._children}

    def close(self) -> None:
        """Stop every process that still runs, and kill those that do not stop."""
        running = [name for name in self._children if self.is_running(name)]
        self.terminate(*running)
        for name in running:
            self._children[name].stop(STOP_TIMEOUT_S)

    def _launch(self, program: str, name: str, environment: Mapping[str, str]) -> Child:
        with self.log_path(name).open("ab") as log:
            log.write(_start_line(name).encode())
            log.flush()
            command = ["/bin/sh", "-c", self._commands[program]]
            return Child(command, env={**self.environment, **environment}, cwd=CHECKOUT, stdout=log)

    def _wait_for_start(self, program: str, name: str) -> None:
        if program == "web":
            self.wait_for_web()
        elif program == "worker":
            self.wait(lambda: self._has_a_pool_and_a_broker(name), START_TIMEOUT_S, name, "start its pool")
        else:
            self.wait(lambda: "is starting" in self.log(name), START_TIMEOUT_S, name, "print that it starts")

    def _is_ready(self) -> bool:
        with Api(self.port, timeout_s=5) as api:
            try:
                return api.call("GET", "/health/ready").status == 200
            except NoAnswer:
                return False

    def _has_a_pool_and_a_broker(self, name: str) -> bool:
        connections = psutil.Process(self._children[name].pid).net_connections("tcp")
        return bool(self.children(name)) and any(item.status == psutil.CONN_ESTABLISHED for item in connections)

    def _error(self, name: str, what: str) -> FleetError:
        lines = "\n".join(self.log(name).splitlines()[-LOG_TAIL_LINES:])
        return FleetError(f"{name} {what}:\n{lines}")


def _start_line(name: str) -> str:
    return f"--- {name} starts\n"
