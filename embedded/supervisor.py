"""Run processes side by side; when one ends or a stop is asked for, stop them all in order.

Every wait is bounded: the constants below, with KILL_WAIT_S counted twice, add up to less than the 10 s after which
process managers lose patience.
"""

import math
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn, Self, TextIO

from embedded.child import Child
from embedded.lines import Lines

STOP_GRACE_S = 7.0
LAST_GRACE_S = 1.0
KILL_WAIT_S = 0.5
FLUSH_WAIT_S = 0.3
SIGNAL_DELAY_S = 0.1


class Stopped(Exception):
    """The run is over: a stop was asked for (exit code 0), or a process ended (its exit code, never 0)."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Exited:
    """A process has ended."""

    name: str
    exit_code: int


@dataclass(frozen=True)
class Signalled:
    """We were sent a signal."""

    signum: int


class Supervisor:
    """Start named processes inside its `with` block, in the caller's order; leaving the block stops them all.

    SIGINT, SIGTERM and SIGHUP ask for a stop; a SIGINT while stopping kills at once. Must be used from the main thread,
    which receives the signals.
    """

    def __init__(self, output: TextIO | None = None) -> None:
        self._lines = Lines(output)
        self._events: queue.SimpleQueue[Exited | Signalled] = queue.SimpleQueue()
        self._running: dict[str, Child] = {}
        self._last: set[str] = set()
        self._old_handlers: dict[int, object] = {}

    def __enter__(self) -> Self:
        """Take over the signals that ask for a stop."""
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Started under nohup, we outlive our terminal.
            if signum == signal.SIGHUP and signal.getsignal(signum) == signal.SIG_IGN:
                continue
            self._old_handlers[signum] = signal.signal(signum, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop every process and give the signals back."""
        self._stop_all()
        for signum, handler in self._old_handlers.items():
            signal.signal(signum, handler)  # type: ignore[arg-type]

    def start(
        self, name: str, argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Child:
        """Start a process and show its output under its name."""
        child = Child(argv, env=env, cwd=cwd, stdout=subprocess.PIPE)
        self._watch(name, child, self._lines.follow(name, child.stdout))
        return child

    def run(
        self, name: str, argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        """Start a process and wait until it has succeeded; raise Stopped when anything else happens first."""
        self.start(name, argv, env=env, cwd=cwd)
        event = self._next_event()
        if event != Exited(name, 0):
            raise self._reason(event)

    def adopt(self, name: str, child: Child) -> None:
        """Watch over a process that others need until their end: it is stopped after them."""
        self._last.add(name)
        self._watch(name, child)

    def show(self, text: str) -> None:
        """Write a text between the lines of the processes."""
        self._lines.show(text)

    def wait(self) -> NoReturn:
        """Wait until the run is over, which is always told by raising Stopped."""
        raise self._reason(self._next_event())

    def _watch(self, name: str, child: Child, follower: threading.Thread | None = None) -> None:
        self._running[name] = child
        threading.Thread(target=self._report_end, args=(name, child, follower), daemon=True).start()

    def _report_end(self, name: str, child: Child, follower: threading.Thread | None) -> None:
        child.wait()
        assert child.exit_code is not None
        if follower is not None:
            # Its last lines, which tell why it ended, are printed before its end is.
            follower.join(FLUSH_WAIT_S)
        self._events.put(Exited(name, child.exit_code))

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        # SimpleQueue.put is reentrant, so this is safe wherever the main thread was interrupted.
        self._events.put(Signalled(signum))

    def _next_event(self, timeout_s: float = math.inf) -> Exited | Signalled:
        deadline = time.monotonic() + timeout_s
        while True:
            # A signal that arrives just before the thread goes to sleep does not wake it; Python then runs the handler
            # after the sleep. Short sleeps bound that delay.
            slice_s = min(SIGNAL_DELAY_S, max(0.0, deadline - time.monotonic()))
            try:
                event = self._events.get(timeout=slice_s)
            except queue.Empty:
                if time.monotonic() >= deadline:
                    raise
                continue
            if isinstance(event, Exited):
                del self._running[event.name]
            return event

    def _reason(self, event: Exited | Signalled) -> Stopped:
        if isinstance(event, Signalled):
            self._lines.say(f"{signal.Signals(event.signum).name} received, stopping")
            return Stopped(0)
        self._lines.say(f"{event.name} ended with code {event.exit_code}, stopping")
        return Stopped(event.exit_code or 1)

    def _stop_all(self) -> None:
        first = self._running.keys() - self._last
        for names, grace_s in ((first, STOP_GRACE_S), (self._last, LAST_GRACE_S)):
            children = {name: child for name, child in self._running.items() if name in names}
            for child in children.values():
                child.terminate()
            self._wait_for(children, grace_s)
            for name in children.keys() & self._running.keys():
                self._lines.say(f"{name} did not stop within {grace_s:g} s and is killed")
                children[name].kill()
            self._wait_for(children, KILL_WAIT_S)

    def _wait_for(self, children: Mapping[str, Child], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while children.keys() & self._running.keys():
            try:
                event = self._next_event(deadline - time.monotonic())
            except queue.Empty:
                return
            if event == Signalled(signal.SIGINT):
                self._lines.say("SIGINT received again, killing")
                for child in self._running.values():
                    child.kill()
