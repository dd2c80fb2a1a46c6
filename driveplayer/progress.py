"""How far it is: a bar that moves on a terminal, a line for every tenth elsewhere."""

import shutil
from typing import TextIO

BAR_WIDTH = 24
STEPS = 10


class Progress:
    """Shows one task at a time, measured in any unit."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_live = stream.isatty()
        self._name = ""
        self._total = 0.0
        self._step = 0

    def begin(self, name: str, total: float) -> None:
        """Begin a task."""
        self._name, self._total, self._step = name, total, 0
        self.update(0, "started")

    def update(self, done: float, text: str) -> None:
        """Show how much is done, and a few words beside it."""
        share = min(1.0, done / self._total) if self._total > 0 else 1.0
        if self._is_live:
            bar = ("#" * round(share * BAR_WIDTH)).ljust(BAR_WIDTH, ".")
            line = f"{self._name} [{bar}] {share:4.0%} {text}"
            # A line that is wider than the terminal would wrap, and could not be overwritten.
            self._write("\r" + line[: shutil.get_terminal_size().columns - 1] + "\x1b[K")
        elif int(share * STEPS) >= self._step:
            self._step = int(share * STEPS) + 1
            self._write(f"{self._name} {share:4.0%} {text}\n")

    def finish(self, text: str) -> None:
        """Write a last line in the place of the bar."""
        self._write(f"\r\x1b[K{text}\n" if self._is_live else f"{text}\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
