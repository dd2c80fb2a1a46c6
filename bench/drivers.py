"""Drivers whose apps call the API in a realistic mix: what each of them asks for next, and what they learn from it."""

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from bench import rows
from bench.servers import bearer, request
from webapp.clock import rfc3339

PASSWORD = "correct horse battery"
READINGS_PER_BATCH = 10
BEGUN_BEFORE_S = 7200.0
CONDITIONAL = 0.7
"""The share of session reads that carry If-None-Match."""

OF_ACTIVE = 0.85
"""The share of session reads that ask for the drive that is going on; the rest ask for one of the last 20."""

API = "/api/v1"
WEIGHTS = {
    "POST readings": 40.0,
    "GET session": 33.0,
    "GET sessions": 10.0,
    "GET active session": 4.0,
    "GET me": 4.0,
    "PATCH session": 3.0,
    "start or end": 3.0,
    "POST refresh": 1.5,
    "GET sessions, filtered": 0.8,
    "GET logins": 0.5,
    "POST login": 0.2,
}
"""How many of a hundred calls are what. The reads of one session are the hot read."""

Learn = Callable[[bytes, bytes], None]


@dataclass(frozen=True)
class Call:
    """A request, the statuses that are right, and what its driver learns from head and body of the answer."""

    name: str
    request: bytes
    statuses: tuple[int, ...]
    learn: Learn


@dataclass
class Driver:
    """One driver's app: its tokens, its drive, and the versions that it has seen."""

    number: int
    tokens: dict[str, Any]
    active: str | None = None
    seq: int = 0
    started_s: float = 0.0
    etags: dict[str, str] = field(default_factory=dict)

    def next_call(self, chance: random.Random) -> Call:
        """Choose the next call by the weights. Who has no drive starts one instead of calling about it."""
        name = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if self.active is None and name in ("POST readings", "PATCH session", "start or end"):
            return self.start()
        match name:
            case "POST readings":
                return self.upload(chance)
            case "GET session":
                return self.read(chance)
            case "PATCH session":
                return self._call(name, "PATCH", f"/sessions/{self.active}", {"notes": f"{chance.random()}"})
            case "start or end":
                return self._call("POST end", "POST", f"/sessions/{self.active}/end", {}, learn=self._ended)
            case "GET active session":
                return self._call(name, "GET", "/sessions/active", statuses=(200, 404))
            case "POST refresh":
                token = self.tokens["refresh_token"]
                return self._call(name, "POST", "/auth/refresh", token=token, learn=self._renewed)
            case "POST login":
                body = {"email": rows.email(self.number), "password": PASSWORD}
                return self._call(name, "POST", "/auth/login", body, learn=self._renewed)
        path = {
            "GET sessions": "/sessions",
            "GET me": "/users/me",
            "GET sessions, filtered": "/sessions?status=completed&limit=50",
            "GET logins": "/auth/logins",
        }[name]
        return self._call(name, "GET", path)

    def start(self) -> Call:
        """Start a drive."""

        def started(_head: bytes, body: bytes) -> None:
            self.active, self.seq, self.started_s = orjson.loads(body)["id"], 0, started_s

        # Drives are played faster than they were driven, so they begin in the past; no two readings share a time.
        started_s = time.time() - BEGUN_BEFORE_S
        body = {"name": "Morning commute", "device": {"model": "Pixel 8"}, "started_at": _time(started_s)}
        return self._call("POST start", "POST", "/sessions", body, statuses=(201,), learn=started)

    def upload(self, chance: random.Random) -> Call:
        """Upload the readings of the next few seconds."""
        batch = readings(chance, self.started_s, range(self.seq, self.seq + READINGS_PER_BATCH))

        def received(_head: bytes, _body: bytes) -> None:
            self.seq += READINGS_PER_BATCH

        path = f"/sessions/{self.active}/readings"
        return self._call("POST readings", "POST", path, {"readings": batch}, learn=received)

    def read(self, chance: random.Random) -> Call:
        """Read the drive that is going on, or an older one, mostly only if it has changed."""
        old = rows.session_id(self.number * rows.SESSIONS_PER_USER + chance.randrange(rows.SESSIONS_PER_USER))
        session_id = self.active if self.active and chance.random() < OF_ACTIVE else old
        known = self.etags.get(session_id) if chance.random() < CONDITIONAL else None
        headers = {"If-None-Match": known} if known else {}

        def seen(head: bytes, _body: bytes) -> None:
            self.etags[session_id] = head.partition(b"ETag: ")[2].partition(b"\r\n")[0].decode()

        path = f"/sessions/{session_id}"
        return self._call("GET session", "GET", path, headers=headers, statuses=(200, 304), learn=seen)

    def _call(
        self,
        name: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        token: str | None = None,
        statuses: tuple[int, ...] = (200,),
        learn: Learn = lambda _head, _body: None,
    ) -> Call:
        payload = b"" if body is None else orjson.dumps(body)
        told = {**bearer(token or self.tokens["access_token"]), **(headers or {})}
        return Call(name, request(method, API + path, told, payload), statuses, learn)

    def _ended(self, _head: bytes, _body: bytes) -> None:
        self.active = None

    def _renewed(self, _head: bytes, body: bytes) -> None:
        self.tokens = orjson.loads(body)


def readings(chance: random.Random, started_s: float, seqs: Iterable[int]) -> list[dict[str, Any]]:
    """Make up readings of a drive, one for each second, as an app sends them."""
    return [
        {
            "seq": seq,
            "t": _time(started_s + seq),
            "lat": round(41.88 + chance.gauss(0, 0.01), 6),
            "lon": round(-87.63 + chance.gauss(0, 0.01), 6),
            "speed_mps": round(abs(chance.gauss(13, 5)), 2),
            "accel_long_mps2": round(chance.gauss(0, 1), 2),
            "fatigue_score": round(chance.uniform(0, 60), 1),
        }
        for seq in seqs
    ]


def _time(at_s: float) -> str:
    return rfc3339(datetime.fromtimestamp(at_s, UTC)) or ""
