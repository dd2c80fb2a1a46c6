"""Print the output of several processes line by line, each line under the name of its process."""

import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import IO, TextIO

from honcho.colour import get_colours  # type: ignore[import-untyped]
from honcho.printer import Message, Printer  # type: ignore[import-untyped]

SYSTEM = "system"
# A process that writes without line breaks must not fill our memory.
LINE_LIMIT_BYTES = 64 * 1024


class Lines:
    """Write `time name | line`, as Heroku and honcho do, from any number of threads.

    When our own output is gone (a closed terminal, a pager that was left), the pipes are still emptied, for the
    processes would block; there is nobody left to tell.
    """

    def __init__(self, output: TextIO | None = None) -> None:
        self._printer = Printer(output or sys.stdout, width=len(SYSTEM))
        self._colours: Iterator[str] = get_colours()
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """Write a line of the supervisor itself."""
        self._write(SYSTEM, None, text)

    def show(self, text: str) -> None:
        """Write a text as it is, for a person to read or to copy."""
        with self._lock, suppress(OSError):
            print(text, file=self._printer.output, flush=True)

    def follow(self, name: str, pipe: IO[bytes]) -> threading.Thread:
        """Write what comes out of this pipe, from a thread that ends when the pipe does."""
        self._printer.width = max(self._printer.width, len(name))
        thread = threading.Thread(target=self._copy, args=(name, next(self._colours), pipe), daemon=True)
        thread.start()
        return thread

    def _copy(self, name: str, colour: str, pipe: IO[bytes]) -> None:
        with pipe:
            for line in iter(lambda: pipe.readline(LINE_LIMIT_BYTES), b""):
                self._write(name, colour, line)

    def _write(self, name: str, colour: str | None, data: bytes | str) -> None:
        with self._lock, suppress(OSError):
            self._printer.write(Message("line", data, datetime.now(), name, colour))
