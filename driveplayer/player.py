"""Playing a drive: start a session, upload the readings when they are due, look at it meanwhile, end it, read it
back.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

from driveplayer import delivery
from driveplayer.account import Account
from driveplayer.delivery import Delivery
from driveplayer.drive import Drive, rfc3339
from driveplayer.measurements import Performance, Upload
from driveplayer.progress import Progress
from driveplayer.screen import Screen

READ_INTERVAL_S = 1.0
"""How often the screen is refreshed while nothing is uploaded."""

A_MOMENT_S = 1.0
"""How long it takes a driver to look at the drive that was just ended: the worker has warmed it by then."""


@dataclass(frozen=True)
class Manner:
    """How drives are played: `speed_up` 0 is as fast as possible, `batch_s` are seconds of the drive."""

    speed_up: float = 60.0
    batch_s: float = 10.0
    is_late: bool = False


class Timing(Protocol):
    """What the player needs to know of time; the module `time` has it."""

    def monotonic(self) -> float:
        """Return seconds from any fixed moment."""

    def sleep(self, seconds: float, /) -> None:
        """Wait."""


class Player:
    """One drive being played for an account that is logged in."""

    def __init__(
        self,
        drive: Drive,
        account: Account,
        manner: Manner,
        progress: Progress,
        timing: Timing = time,
    ) -> None:
        self.performance = Performance(drive)
        self._drive = drive
        self._account = account
        self._manner = manner
        self._progress = progress
        self._timing = timing
        self._latest_ms = drive.started_ms

    def play(self) -> Performance:
        """Play the drive from start to end. Ctrl-C ends it early, with what was uploaded. Raises ClientError."""
        deliveries, retries_before = self._deliveries(), self._account.client.retries
        self._start()
        on_time = [due for due in deliveries if not due.is_after_the_end]
        self._progress.begin(self._drive.name, on_time[-1].due_s)
        try:
            self._deliver(on_time)
        except KeyboardInterrupt:
            self.performance.is_interrupted = True
            self._progress.finish("Interrupted: ending the drive with what was uploaded.")
            self._end(self._latest_ms)
        else:
            self._progress.finish(f"{self._drive.name} uploaded: {self._so_far()}")
            self.performance.took_s = self._timing.monotonic() - self._began
            self._end(self._drive.ended_ms)
            for late in deliveries[len(on_time) :]:
                self._upload(late)
        self._read_back()
        self.performance.retries = self._account.client.retries - retries_before
        return self.performance

    def _deliveries(self) -> Sequence[Delivery]:
        deliveries = delivery.schedule(self._drive, self._manner.batch_s)
        if not self._manner.is_late:
            return deliveries
        return delivery.with_bad_reception(deliveries, self._manner.batch_s, seed=self._drive.name)

    def _start(self) -> None:
        body = {
            "client_session_id": str(uuid4()),
            "name": self._drive.name,
            "tags": ["driveplayer", "synthetic" if self._drive.is_synthetic else "recording"],
            "vehicle": {"label": self._drive.vehicle},
            "device": {"app": "driveplayer"},
            "started_at": rfc3339(self._drive.started_ms),
        }
        session = self._account.call("POST", "/sessions", body=body, accepted=(201,)).document("id", "version")
        self._path = f"/sessions/{session['id']}"
        self._screen = Screen(self._account, session["id"])
        self._screen.acknowledged(session["version"])
        self._began = self._timing.monotonic()

    def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        for due in deliveries:
            self._watch_until(due.due_s)
            self._upload(due)
            self._look()
            self._progress.update(due.due_s, self._so_far())

    def _watch_until(self, due_s: float) -> None:
        """Wait until it is time, with an eye on the screen."""
        if not self._manner.speed_up:
            return
        due = self._began + due_s / self._manner.speed_up
        while (remaining_s := due - self._timing.monotonic()) > 0:
            self._timing.sleep(min(remaining_s, READ_INTERVAL_S))
            self._look()

    def _upload(self, due: Delivery) -> None:
        readings = [
            {"seq": reading.seq, "t": rfc3339(reading.t_ms), "speed_mps": round(reading.speed_mps, 6)}
            for reading in due.readings
        ]
        answer = self._account.call("POST", f"{self._path}/readings", body={"readings": readings}, compress=True)
        receipt = answer.document("accepted", "duplicates", "rejected", "session_version")
        self._screen.acknowledged(receipt["session_version"])
        self._latest_ms = max(self._latest_ms, due.readings[-1].t_ms)
        self.performance.uploads.append(
            Upload(answer.latency_s, receipt["accepted"], receipt["duplicates"], len(receipt["rejected"]))
        )

    def _look(self) -> None:
        self.performance.reads.append(self._screen.read())

    def _end(self, ended_ms: int) -> None:
        answer = self._account.call("POST", f"{self._path}/end", body={"ended_at": rfc3339(ended_ms)})
        self._screen.acknowledged(answer.document("version")["version"])

    def _read_back(self) -> None:
        self._timing.sleep(A_MOMENT_S)
        self.performance.read_back, self.performance.session = self._screen.read_whole()

    def _so_far(self) -> str:
        performance = self.performance
        return (
            f"{sum(upload.accepted for upload in performance.uploads)} readings, "
            f"{performance.count('hit')} hits, {performance.count('miss')} misses"
        )
