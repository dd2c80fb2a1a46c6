"""Kill what a process left behind, however it died.

A process that starts servers cannot clean up after its own `kill -9`. The reaper can: it is a second, tiny process that
holds the reading end of a pipe. Its parent writes the process groups that it starts (`+123`) and those that have ended
(`-123`). When the parent is gone, for whatever reason, the kernel closes the pipe, and the reaper kills every group
that is left.

PR_SET_PDEATHSIG, the other way, does not reach grandchildren (a Celery pool, Gunicorn's workers), exists on Linux only,
is forgotten by a process that changes its user, and fires when the *thread* that started the child ends.

This file is run as a script too, in an interpreter without site-packages: it may import the standard library only.
"""

import atexit
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

CLOSE_TIMEOUT_S = 2.0


class Reaper:
    """Own the reaper process of this process."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def watch(self, group: int) -> None:
        """Have this process group killed when we are gone."""
        with self._lock:
            self._groups.add(group)
            self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """Leave this process group alone: it has ended, and its number may come to belong to somebody else."""
        with self._lock:
            self._groups.discard(group)
            self._tell(f"-{group}\n")

    def close(self) -> None:
        """End the reaper process, and with it every group that is still watched."""
        with self._lock:
            if self._process is not None and self._process.stdin is not None:
                with suppress(BrokenPipeError):  # It is gone already, which is all we want of it here.
                    self._process.stdin.close()
                self._process.wait(CLOSE_TIMEOUT_S)
                self._process = None

    def _tell(self, line: str) -> None:
        if self._process is None or self._process.poll() is not None:
            if not self._groups:
                return
            self._start()
            line = "".join(f"+{group}\n" for group in self._groups)
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(line.encode())

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).resolve())],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            # A signal to our terminal's or our own process group must not take the reaper along.
            start_new_session=True,
        )
        atexit.unregister(self.close)
        atexit.register(self.close)


reaper = Reaper()


def reap_at_end_of_input() -> None:
    """Follow the parent's lines until it is gone, then kill the groups that it left."""
    for signum in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        sign, group = line[0], int(line[1:])
        (groups.add if sign == "+" else groups.discard)(group)
    for group in groups:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    reap_at_end_of_input()
