"""Start a process that can be stopped with all of its own children, and that does not outlive us."""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from embedded.reaper import reaper

KILL_TIMEOUT_S = 5.0


class StartError(Exception):
    """A process that was asked for did not come up; the message is one clear line."""


@dataclass(frozen=True)
class Account:
    """Name the system user that a process is to run as."""

    uid: int
    gid: int


# The program waits for a line that we send once the reaper knows its process group. Were we killed in between, it would
# read the end of its input instead, and end.
GATE = 'read -r go && exec "$@"'


class Child:
    """A process in a session and a process group of its own.

    Signals of our terminal do not reach it: whoever starts it decides when and how it stops. Standard error goes where
    standard output goes.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: bytes = b"",
        stdout: int | IO[bytes] = subprocess.DEVNULL,
        account: Account | None = None,
    ) -> None:
        self._swept = threading.Lock()
        gate = GATE if stdin else f"{GATE} </dev/null"
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", gate, "sh", *argv],
            env=env,
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
        reaper.watch(self.pid)
        self._feed(b"go\n" + stdin)

    @property
    def pid(self) -> int:
        """Return the process id, which is the id of its group and session too."""
        return self._process.pid

    @property
    def stdout(self) -> IO[bytes]:
        """Return the reading end of the output of a child started with `stdout=subprocess.PIPE`."""
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def exit_code(self) -> int | None:
        """Return None while it runs, else its exit code as a shell tells it: 128 + N when signal N killed it."""
        code = self._process.poll()
        if code is None:
            return None
        self._sweep()
        return 128 - code if code < 0 else code

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for its end, and tell whether it came in time."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)
        return self.exit_code is not None

    def terminate(self, signum: int = signal.SIGTERM) -> None:
        """Ask it to stop.

        Only the process itself is asked: servers such as Gunicorn and Celery stop their own children in an order of
        their own.
        """
        self._process.send_signal(signum)
        # A paused process would not notice before it is resumed.
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it and its whole process group at once."""
        self._signal_group(signal.SIGKILL)

    def stop(self, grace_s: float, signum: int = signal.SIGTERM) -> None:
        """Ask it to stop, and kill it if it has not after `grace_s` seconds."""
        self.terminate(signum)
        if not self.wait(grace_s):
            self.kill()
            self.wait(KILL_TIMEOUT_S)

    def pause(self) -> None:
        """Freeze the process group: its sockets stay open, and nothing answers."""
        self._signal_group(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process group go on."""
        self._signal_group(signal.SIGCONT)

    def _feed(self, text: bytes) -> None:
        assert self._process.stdin is not None
        # A child that died before it read its input is reported by whoever waits for it.
        with suppress(BrokenPipeError), self._process.stdin as pipe:
            pipe.write(text)

    def _signal_group(self, signum: int) -> None:
        if self.exit_code is None:
            os.killpg(self.pid, signum)

    def _sweep(self) -> None:
        """Kill, once, what the process left of its group.

        A second time might hit a stranger: once the group is empty, its number is free for any new process.
        """
        if self._swept.acquire(blocking=False):
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            reaper.forget(self.pid)
