"""Does a contender of the benchmark of the upload do what it is measured at?"""

import http.client
import sys
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import orjson

from bench.load import LOOPBACK
from bench.servers import WebServer, bearer
from bench.upload_drives import Drive, Reading

SIZE_OF_CHECK = 10
TOLERANCE = 0.002
"""Summaries have three decimals, or more."""


class Check:
    """Uploads to a drive as apps do, and holds receipts and summaries against what they must say."""

    def __init__(self, name: str, server: WebServer, drive: Drive) -> None:
        self._name, self._drive = name, drive
        self._connection = http.client.HTTPConnection(LOOPBACK, server.port, timeout=30)

    def run(self) -> None:
        """Upload in order, again, overlapping, late and twice in one batch. Exits with a message when it went wrong."""
        first, second, third, fourth = ([*self._drive.batch(place)] for place in range(4))
        self._upload(first, new=first, all_of=first)
        self._upload(first, new=[], all_of=first)
        self._upload(second, new=second, all_of=first + second)
        self._upload(second[5:] + third[:5], new=third[:5], all_of=first + second + third[:5])
        self._upload(fourth + fourth[:3], new=fourth, all_of=first + second + third[:5] + fourth)
        self._upload(third[5:], new=third[5:], all_of=first + second + third + fourth)
        refused, _ = self._call("POST", "/readings", {"readings": [{**fourth[0], "speed_mps": -1}]})
        self._require("the status of a wrong reading", refused, 422, also=(400,))
        refused, _ = self._call("GET", "", token=self._drive.token + "x")
        self._require("the status of a token that is not good", refused, 401, also=(403, 422))
        self._connection.close()

    def _upload(self, batch: list[Reading], *, new: list[Reading], all_of: list[Reading]) -> None:
        before = self._session()["version"]
        status, receipt = self._call("POST", "/readings", {"readings": batch})
        self._require("the status of an upload", status, 200)
        session = self._session()
        wanted = {
            "accepted": len(new),
            "duplicates": len(batch) - len(new),
            "last_seq": all_of[-1]["seq"],
            "session_version": before + bool(new),
        }
        for key, value in wanted.items():
            self._require(key, receipt[key], value)
        self._require("readings_count", session["readings_count"], len(all_of))
        self._require("last_seq", session["last_seq"], all_of[-1]["seq"])
        self._require("version", session["version"], receipt["session_version"])
        for key, amount in expected(all_of).items():
            if abs(session["summary"][key] - amount) > TOLERANCE:
                self._require(key, session["summary"][key], amount)

    def _session(self) -> dict[str, Any]:
        session: dict[str, Any]
        status, session = self._call("GET", "")
        self._require("the status of a read", status, 200)
        return session

    def _call(self, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
        headers = {**bearer(token or self._drive.token), "Content-Type": "application/json"}
        self._connection.request(method, self._drive.path + path, orjson.dumps(body) if body else None, headers)
        answer = self._connection.getresponse()
        raw = answer.read()
        return answer.status, orjson.loads(raw) if answer.status == 200 else raw

    def _require(self, what: str, found: Any, wanted: Any, also: Sequence[Any] = ()) -> None:
        if found != wanted and found not in also:
            sys.exit(f"{self._name} does not do the job: {what} is {found}, and should be {wanted}")


def expected(readings: list[Reading]) -> dict[str, float]:
    """Sum readings up by the definition: trapezoids over the time between readings in order."""
    ordered = sorted((each["seq"], _seconds(each["t"]), each["speed_mps"]) for each in readings)
    speeds = [speed for _, _, speed in ordered]
    return {
        "duration_s": ordered[-1][1] - ordered[0][1],
        "distance_m": sum((v + w) / 2 * (u - t) for (_, t, v), (_, u, w) in pairwise(ordered)),
        "speed_avg_mps": sum(speeds) / len(speeds),
        "speed_max_mps": max(speeds),
    }


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
