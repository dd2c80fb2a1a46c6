"""Web servers under measurement, each a process of its own that is pinned to one core."""

import http.client
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from embedded.child import Child, StartError
from embedded.ports import LOOPBACK, free_port

CHECKOUT = Path(__file__).resolve().parent.parent
PEERS = CHECKOUT / "bench" / "peers"

SERVERS_CORE, LOAD_CORE = 0, 1

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
POLL_S = 0.05

# An affinity is inherited over fork and exec: set before the server begins, it holds for every thread and worker.
PIN = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])}); os.execv(sys.argv[2], sys.argv[2:])"


@dataclass(frozen=True)
class Program:
    """A server to start: its module, where it lies, with which Python, and what it is told."""

    server: str
    app: str
    python: Path
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def argv(self, port: int) -> list[str]:
        """Return the command: gunicorn with the settings of its folder, or uvicorn as it is installed."""
        if self.server == "uvicorn":
            serve = [self.app, "--host", LOOPBACK, "--port", str(port), "--no-access-log"]
        else:
            # A worker that is replaced in the middle of a slice would be measured with its start.
            serve = ["--max-requests", "0", self.app]
        return [str(self.python), "-m", self.server, *serve]


class WebServer:
    """A server on a free port, with one worker process unless its environment says otherwise."""

    def __init__(self, program: Program, *, core: int | None, log: Path) -> None:
        self.port = free_port()
        self._log = log
        argv = program.argv(self.port)
        self._argv = argv if core is None else [sys.executable, "-c", PIN, str(core), *argv]
        self._folder = program.folder
        self._environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(log.parent),
            "HOST": LOOPBACK,
            "PORT": str(self.port),
            "WEB_CONCURRENCY": "1",
            "PYTHONUNBUFFERED": "1",
            **program.environment,
        }

    @property
    def pid(self) -> int:
        """Return the process id of the server; its workers are children of it."""
        return self._child.pid

    def __enter__(self) -> Self:
        """Start the server and wait until it answers. Raises StartError."""
        with self._log.open("wb") as log:
            self._child = Child(self._argv, env=self._environment, cwd=self._folder, stdout=log)
        deadline = time.monotonic() + START_TIMEOUT_S
        try:
            while not self._answers():
                if self._child.exit_code is not None or time.monotonic() > deadline:
                    raise StartError(f"{self._argv[-1]} did not start:\n{self._log.read_text()[-3000:]}")
                time.sleep(POLL_S)
        except BaseException:
            self._child.stop(STOP_TIMEOUT_S)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server."""
        self._child.stop(STOP_TIMEOUT_S)

    def get(self, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Ask once; return the status and the body."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=START_TIMEOUT_S)
        try:
            connection.request("GET", path, headers=dict(headers))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _answers(self) -> bool:
        try:
            self.get("/", {})
        except OSError:
            return False
        return True


def request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """Write an HTTP/1.1 request as an app's client library would send it."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", "User-Agent: bench", "Accept: */*"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def bearer(token: str) -> dict[str, str]:
    """Return the header that says who is calling."""
    return {"Authorization": f"Bearer {token}"}
