"""The Procfile's web, worker and beat, as a machine would run them."""

import http.client
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.released import Released
from embedded import settings
from embedded.child import Child, StartError
from embedded.ports import LOOPBACK, free_port

PROGRAMS = ("web", "worker", "beat")
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
POLL_S = 0.1


class Processes:
    """All of them, from the start to the end of a block; what they print goes into files of `folder`.

    `has_worker` says whether a worker has been seen, and `of` which commit they are of.
    """

    def __init__(
        self, environment: Mapping[str, str], folder: Path, has_worker: Callable[[], object], of: Released
    ) -> None:
        self.port = free_port()
        self._of = of
        self._has_worker = has_worker
        self._folder = folder
        self._children: dict[str, Child] = {}
        self._environment = {
            "PATH": os.pathsep.join([str(of.python.parent), os.environ.get("PATH", os.defpath)]),
            "HOME": str(folder),
            "PYTHONUNBUFFERED": "1",
            "HOST": LOOPBACK,
            "PORT": str(self.port),
            **environment,
        }

    def pids(self) -> dict[str, int]:
        """Return the process id of each; their workers are children of it."""
        return {name: child.pid for name, child in self._children.items()}

    def __enter__(self) -> Self:
        """Start them, and wait until the web is ready and the worker takes tasks. Raises StartError."""
        commands = settings.load({}, self._of.folder).commands
        try:
            for name in PROGRAMS:
                with self._log(name).open("wb") as log:
                    command = ["/bin/sh", "-c", commands[name]]
                    self._children[name] = Child(command, env=self._environment, cwd=self._of.folder, stdout=log)
            self._wait()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop them."""
        self._stop()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not (self._has_worker() and self._is_ready()):
            ended = [name for name, child in self._children.items() if child.exit_code is not None]
            if ended or time.monotonic() > deadline:
                name = ended[0] if ended else "web"
                raise StartError(f"{name} did not start:\n{self._log(name).read_text(errors='replace')[-3000:]}")
            time.sleep(POLL_S)

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=5)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def _stop(self) -> None:
        for child in self._children.values():
            child.terminate()
        for child in self._children.values():
            child.stop(STOP_TIMEOUT_S)

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"
