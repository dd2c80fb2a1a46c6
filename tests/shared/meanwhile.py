"""A request begun in the middle of another one, in a thread and with connections of its own."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Generic, Self, TypeVar

import psycopg

Result = TypeVar("Result")

PATIENCE_S = 30.0
POLL_S = 0.002
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def wait_until(condition: Callable[[], object]) -> None:
    """Wait for something that happens in another thread."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(POLL_S)


class Meanwhile(Generic[Result]):
    """What happens meanwhile. Leaving the block waits for its end, so that nothing of it outlives a test."""

    def __init__(self, database_url: str, act: Callable[[], Result]) -> None:
        self._database_url = database_url.replace("+psycopg", "")
        self._act = act
        self._result: Future[Result] = Future()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self._result.set_result(self._act())
        except BaseException as error:
            self._result.set_exception(error)

    def begins(self) -> None:
        """Begin, and return when it waits for what somebody else has locked, or has ended."""
        self._thread.start()
        with psycopg.connect(self._database_url, autocommit=True) as connection:
            wait_until(lambda: not self._thread.is_alive() or connection.execute(WAITING).fetchone() != (0,))

    def result(self) -> Result:
        """Wait for its end, and return what came of it, or raise it."""
        return self._result.result(PATIENCE_S)

    def __enter__(self) -> Self:
        """Return it; nothing has begun."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for its end."""
        if self._thread.ident is not None:
            self._thread.join(PATIENCE_S)
