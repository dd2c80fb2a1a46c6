"""A request begun in the middle of another one, in a thread and with connections of its own."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

import psycopg

Result = TypeVar("Result")

PATIENCE_S = 30.0
POLL_S = 0.002
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


class Meanwhile(Generic[Result]):
    """What happens meanwhile. Leaving the block waits for its end, so that nothing of it outlives a test."""

    def __init__(self, database_url: str, act: Callable[[], Result]) -> None:
        self._database_url = database_url.replace("+psycopg", "")
        self._act = act
        self._results: list[Result] = []
        self._thread = threading.Thread(target=lambda: self._results.append(self._act()))

    def begins(self) -> None:
        """Begin, and return when it waits for what somebody else has locked, or has ended."""
        self._thread.start()
        deadline = time.monotonic() + PATIENCE_S
        with psycopg.connect(self._database_url, autocommit=True) as connection:
            while self._thread.is_alive() and connection.execute(WAITING).fetchone() == (0,):
                assert time.monotonic() < deadline
                time.sleep(POLL_S)

    def result(self) -> Result:
        """Wait for its end, and return what came of it."""
        self._thread.join(PATIENCE_S)
        return self._results[0]

    def __enter__(self) -> Self:
        """Return it; nothing has begun."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for its end."""
        if self._thread.ident is not None:
            self._thread.join(PATIENCE_S)
