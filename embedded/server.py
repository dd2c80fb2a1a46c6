"""Start, stop, pause, kill and restart a database server that is one foreground process of ours."""

import shutil
import signal
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar, Self

from embedded.child import Child, StartError
from embedded.ports import free_port

PROBE_INTERVAL_S = 0.01
PORT_ATTEMPTS = 5


class Server(ABC):
    """A server on the loopback interface, started with start() or as a context manager.

    Without a port it takes a free one, and keeps it over restarts. Without a data folder it has a private temporary
    one, which close() removes.
    """

    name: ClassVar[str]
    start_timeout_s: ClassVar[float]
    stop_grace_s: ClassVar[float]
    stop_signal: ClassVar[int] = signal.SIGTERM

    def __init__(self, port: int | None, data_dir: Path | None) -> None:
        self.port = port
        self._given_data_dir = data_dir.absolute() if data_dir else None
        self._temporary_dir: Path | None = None
        self._child: Child | None = None

    @property
    def child(self) -> Child:
        """Return the server's process, for a supervisor; StartError before the first start."""
        if self._child is None:
            raise StartError(f"{self.name} has not been started")
        return self._child

    @property
    def pid(self) -> int:
        """Return the server's process id; StartError before the first start."""
        return self.child.pid

    @property
    def data_dir(self) -> Path:
        """Return the folder that holds the server's data and its log."""
        return self._given_data_dir or self.temporary_dir / "data"

    @property
    def temporary_dir(self) -> Path:
        """Return the private folder that lasts until close()."""
        if self._temporary_dir is None:
            self._temporary_dir = self._make_temporary_dir()
        return self._temporary_dir

    @property
    def log_path(self) -> Path:
        """Return the path of the log, which is a new one at each start."""
        return self.data_dir / "server.log"

    def start(self) -> None:
        """Start the server and wait until it answers; StartError when it does not."""
        if self._child is not None and self._child.exit_code is None:
            raise StartError(f"{self.name} is running already, as process {self.pid}")
        self._prepare()
        if self.port is not None:
            self._start_on(self.port)
        else:
            self.port = self._start_on_a_free_port()

    def stop(self) -> None:
        """Stop the server in its orderly way and keep its data. A server that has ended already is fine."""
        if self._child is not None:
            self._child.stop(self.stop_grace_s, self.stop_signal)

    def close(self) -> None:
        """Stop the server and remove its temporary folder."""
        self.stop()
        if self._temporary_dir is not None:
            shutil.rmtree(self._temporary_dir)
            self._temporary_dir = None

    def kill(self) -> None:
        """Kill the server at once and wait for its end; its data folder stays."""
        self.child.kill()
        self.child.wait()

    def pause(self) -> None:
        """Freeze the server: connections stay open and nothing answers."""
        self.child.pause()

    def resume(self) -> None:
        """Let a paused server go on."""
        self.child.resume()

    def __enter__(self) -> Self:
        """Start the server."""
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server and remove its temporary folder."""
        self.close()

    @abstractmethod
    def _prepare(self) -> None:
        """Make the data folder ready for a start."""

    @abstractmethod
    def _launch(self, port: int, log: IO[bytes]) -> Child:
        """Start the process."""

    @abstractmethod
    def _answers(self, port: int) -> bool:
        """Tell whether our server serves clients on this port."""

    def _make_temporary_dir(self) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"{self.name.lower()}-"))

    def _start_on_a_free_port(self) -> int:
        for attempt in range(1, PORT_ATTEMPTS + 1):
            port = free_port()
            try:
                self._start_on(port)
                return port
            except StartError:
                # Somebody may have been faster on that port; anything else would fail on the next one too.
                if attempt == PORT_ATTEMPTS or "Address already in use" not in self._log():
                    raise
        raise AssertionError("unreachable")

    def _start_on(self, port: int) -> None:
        with self.log_path.open("wb") as log:
            self._child = self._launch(port, log)
        try:
            self._wait_until_it_answers(port)
        except BaseException:
            self._child.stop(self.stop_grace_s, self.stop_signal)
            raise

    def _wait_until_it_answers(self, port: int) -> None:
        deadline = time.monotonic() + self.start_timeout_s
        while not self._answers(port):
            if self.child.exit_code is not None:
                raise StartError(
                    f"{self.name} ended with code {self.child.exit_code} at its start: {self._last_words()}"
                )
            if time.monotonic() > deadline:
                raise StartError(f"{self.name} did not answer within {self.start_timeout_s:g} s: {self._last_words()}")
            time.sleep(PROBE_INTERVAL_S)

    def _log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def _last_words(self) -> str:
        return " / ".join(self._log().strip().splitlines()[-3:]) or "its log is empty"
