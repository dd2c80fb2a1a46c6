"""The drives that are uploaded to a contender, each by one connection, and the uploads that come next."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import orjson

from bench import rows
from bench.drivers import API, readings
from bench.load import Job, Load
from bench.servers import WebServer, bearer, request
from bench.upload_contenders import Contender

MOST_UPLOADS, MOST_READINGS = 250, 4_000
"""How far a drive goes. Ours puts what was appended into chunks while it answers beyond 256 uploads or 4,096 readings,
if no worker does it before; and here is none.
"""

MARGIN = 1.5
FIRST_UPLOADS = 60

Reading = dict[str, Any]


@dataclass
class Drive:
    """A drive, and its readings as they will be uploaded, so many at a time."""

    number: int
    size: int
    token: str
    started_s: float = field(default_factory=lambda: time.time() - rows.BEGUN_BEFORE.total_seconds() + 1)

    @property
    def path(self) -> str:
        """Return where the drive is read."""
        return f"{API}/sessions/{rows.drive_id(self.number)}"

    def batch(self, place: int) -> list[Reading]:
        """Return the readings of one upload: the same whenever it is asked for."""
        chance = random.Random(f"{self.number} {place}")
        return readings(chance, self.started_s, range(place * self.size, (place + 1) * self.size))

    def upload(self, batch: list[Reading]) -> bytes:
        """Return the request that uploads these readings."""
        return request("POST", f"{self.path}/readings", bearer(self.token), orjson.dumps({"readings": batch}))


@dataclass
class Lane:
    """The uploads of one connection, drive after drive."""

    begin: Callable[[], Drive]
    uploads_of_drive: int
    done: int = 0
    drives: list[Drive] = field(default_factory=list)

    def requests(self, uploads: int) -> list[bytes]:
        """Return the uploads that come next."""
        return [self._request(place) for place in range(self.done, self.done + uploads)]

    def _request(self, place: int) -> bytes:
        number, of_drive = divmod(place, self.uploads_of_drive)
        while number >= len(self.drives):
            self.drives.append(self.begin())
        drive = self.drives[number]
        return drive.upload(drive.batch(of_drive))


class Uploads:
    """All that is uploaded to one contender, in batches of one size."""

    def __init__(self, contender: Contender, size: int, connections: int) -> None:
        self.contender, self.size = contender, size
        self._numbers = count()
        self._begun: list[Drive] = []
        self._most = min(MOST_UPLOADS, MOST_READINGS // size)
        self._lanes = [Lane(self.new_drive, self._most) for _ in range(connections)]
        self._per_second = 0.0

    @property
    def readings(self) -> int:
        """Return how many readings the contender has acknowledged of its lanes."""
        return sum(lane.done for lane in self._lanes) * self.size

    def new_drive(self) -> Drive:
        """Return a drive of a driver's own, who has begun it once `start` was called."""
        number = next(self._numbers)
        self._begun.append(Drive(number, self.size, self.contender.token(number)))
        return self._begun[-1]

    def start(self, server: WebServer, load: Load) -> None:
        """Let the new drives begin, and read each once: their drivers are known then, and their sessions cached."""
        if self._begun:
            self.contender.insert_drives([drive.number for drive in self._begun])
            load.run(Job(server.port, [request("GET", drive.path, bearer(drive.token)) for drive in self._begun], 1))
        self._begun.clear()

    def job(self, server: WebServer, load: Load, seconds: float) -> Job:
        """Prepare what is uploaded in a slice of so many seconds, by each connection in order."""
        each = int(self._per_second * seconds * MARGIN / len(self._lanes)) or FIRST_UPLOADS
        lanes = [lane.requests(each) for lane in self._lanes]
        self.start(server, load)
        dealt = [upload for together in zip(*lanes, strict=True) for upload in together]
        return Job(server.port, dealt, len(lanes), seconds, dealt=True)

    def whole_drives(self, count: int, server: WebServer, load: Load) -> int:
        """Upload so many drives at once, as far as drives go. Return how many readings they have."""
        drives = [self.new_drive() for _ in range(count)]
        self.start(server, load)
        dealt = [drive.upload(drive.batch(place)) for place in range(self._most) for drive in drives]
        load.run(Job(server.port, dealt, len(drives), dealt=True))
        return len(dealt) * self.size

    def went(self, by_caller: list[int], seconds: float) -> None:
        """Note how many uploads of each connection were answered."""
        self._per_second = max(self._per_second, sum(by_caller) / seconds)
        for lane, answers in zip(self._lanes, by_caller, strict=True):
            lane.done += answers
