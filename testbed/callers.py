"""Clients that call all the time, over kept-alive connections and over fresh ones, and count what fails."""

import http.client
import threading
import time
from collections import Counter

from testbed.api import Api, NoAnswer
from testbed.closing import Closing

PAUSE_S = 0.002


class Callers(Closing):
    """Calls of one path, from so many threads; every other one has a new connection for each call."""

    def __init__(self, port: int, path: str, token: str, *, clients: int = 8, timeout_s: float = 10.0) -> None:
        self._port, self._path, self._token, self._timeout_s = port, path, token, timeout_s
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self.statuses: Counter[int] = Counter()
        self.failures: list[str] = []
        self.slowest_s = 0.0
        self._threads = [threading.Thread(target=self._call, args=(number % 2 == 0,)) for number in range(clients)]
        for thread in self._threads:
            thread.start()

    @property
    def calls(self) -> int:
        """Return how many calls have been answered or have failed."""
        return sum(self.statuses.values()) + len(self.failures)

    def wait_for(self, calls: int, within_s: float) -> None:
        """Wait until so many calls have been made in all."""
        deadline = time.monotonic() + within_s
        while self.calls < calls:
            assert time.monotonic() < deadline, f"{self.calls} of {calls} calls within {within_s:g} s"
            time.sleep(0.05)

    def close(self) -> None:
        """Call no more."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _call(self, is_kept: bool) -> None:
        with Api(self._port, timeout_s=self._timeout_s) as api:
            while not self._ended.wait(PAUSE_S):
                began = time.monotonic()
                try:
                    answer = api.call("GET", self._path, token=self._token)
                except (NoAnswer, http.client.HTTPException) as error:
                    with self._lock:
                        self.failures.append(f"{'kept' if is_kept else 'fresh'}: {error}")
                    continue
                finally:
                    if not is_kept:
                        api.close()
                with self._lock:
                    self.statuses[answer.status] += 1
                    self.slowest_s = max(self.slowest_s, time.monotonic() - began)
