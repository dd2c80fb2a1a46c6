"""A process under test and its descendants: what they print, how they end, who is left."""

import subprocess
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 13.0


class Run:
    """A process under test: its output line by line, its family, its end."""

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            argv, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.lines: list[str] = []

    def read_until(self, text: str, times: int = 1) -> str:
        """Return the first further line that holds this text, or the last of so many. Two processes that write to one
        output may share a line.
        """
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            times -= line.count(text)
            if times <= 0:
                return self.lines[-1]
        raise AssertionError(f"ended without a line with {text!r}:\n{self.output}")

    @property
    def output(self) -> str:
        """Return what was read so far."""
        return "\n".join(self.lines)

    def family(self) -> list[psutil.Process]:
        """Return the process and all of its descendants."""
        process = psutil.Process(self.process.pid)
        return [process, *process.children(recursive=True)]

    def send(self, signum: int) -> None:
        """Send a signal to the process alone."""
        self.process.send_signal(signum)

    def finish(self) -> int:
        """Wait for its end, keep the rest of its output and return its exit code."""
        rest, _ = self.process.communicate(timeout=WAIT_S)
        self.lines += rest.splitlines()
        return self.process.returncode

    def close(self) -> None:
        """Kill it if it still runs; the reaper of a supervisor then kills the rest."""
        self.process.kill()
        self.process.communicate(timeout=WAIT_S)


def survivors(family: list[psutil.Process], within_s: float = 2.0) -> list[psutil.Process]:
    """Return who of the family is still there after a moment; a zombie, which waits to be reaped, is gone."""
    deadline = time.monotonic() + within_s
    while (alive := [process for process in family if is_alive(process)]) and time.monotonic() < deadline:
        time.sleep(0.01)
    return alive


def is_alive(process: psutil.Process) -> bool:
    """Tell whether a process is there and no zombie."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
