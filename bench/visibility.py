"""How soon a write can be seen, while other traffic goes on: by the writer's next read, and in the cache itself.

Two drives of one driver's own are changed in turn. The first is read as soon as its change is acknowledged: whatever
the cache holds then, the read must show the new version. The other is read by nobody: what is waited for, by looking
into Redis, is that the worker has put the new version back.
"""

import threading
import time
from dataclasses import dataclass, field

import redis

from testbed.api import Api
from webapp.driving.cached_sessions import SESSIONS

PAUSE_S = 0.2
WARM_WITHIN_S = 10.0
POLL_S = 0.005


@dataclass
class Visible:
    """Times in s: from the sending of a write to the answer of the read after it, and from the acknowledgement of a
    write until the worker has cached it. `stale` counts reads that did not show the acknowledged version.
    """

    write_and_read_s: list[float] = field(default_factory=list)
    warmed_s: list[float] = field(default_factory=list)
    stale: int = 0
    not_warmed: int = 0


class Watch(threading.Thread):
    """Writes and looks, until it is stopped."""

    def __init__(self, port: int, token: str, read: str, unread: str, redis_url: str) -> None:
        super().__init__(name="visibility")
        self.found = Visible()
        self._api, self._token, self._read, self._unread = Api(port), token, read, unread
        self._redis = redis.Redis.from_url(redis_url, decode_responses=True)
        self._stopped = threading.Event()

    def stop(self) -> Visible:
        """Stop, and return what was found."""
        self._stopped.set()
        self.join()
        self._api.close()
        self._redis.close()
        return self.found

    def run(self) -> None:
        """Write and look, in turn."""
        while not self._stopped.wait(PAUSE_S):
            self._write_and_read()
            self._write_and_wait()

    def _write(self, session_id: str) -> int:
        path = f"/api/v1/sessions/{session_id}"
        answer = self._api.call("PATCH", path, token=self._token, body={"notes": f"{time.time_ns()}"})
        return int(answer.json["version"])

    def _write_and_read(self) -> None:
        began = time.monotonic()
        version = self._write(self._read)
        answer = self._api.call("GET", f"/api/v1/sessions/{self._read}", token=self._token)
        self.found.write_and_read_s.append(time.monotonic() - began)
        self.found.stale += answer.json["version"] < version

    def _write_and_wait(self) -> None:
        version = self._write(self._unread)
        acknowledged = time.monotonic()
        while not self._is_cached(version):
            if time.monotonic() - acknowledged > WARM_WITHIN_S or self._stopped.is_set():
                self.found.not_warmed += not self._stopped.is_set()
                return
            time.sleep(POLL_S)
        self.found.warmed_s.append(time.monotonic() - acknowledged)

    def _is_cached(self, version: int) -> bool:
        # What an entry looks like is told by webapp.cache.entries.
        entry = str(self._redis.get(SESSIONS.key(self._unread)) or "|||")
        state, _, at, _ = entry.split("|", 3)
        return state == "v" and int(at) >= version
