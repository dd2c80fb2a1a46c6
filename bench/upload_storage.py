"""What is stored for a reading, and what the worker takes to put ours into chunks."""

import time
from dataclasses import dataclass

from bench import rows
from bench.load import Job, Load
from bench.servers import WebServer
from bench.stores import Stores
from bench.upload_contenders import Contender
from bench.upload_drives import Uploads
from webapp.database import db
from webapp.driving import compaction

DRIVES, TURNS = 6, 8
DRIVES_OF_ROWS, DRIVES_OF_CHUNKS = 4, 16
"""Uploaded to see what is stored: as many as make a page of a table small beside them."""


@dataclass(frozen=True)
class Compaction:
    """What the compaction of the readings of one upload takes, in µs of CPU: of who does it, and of the stores.

    stored: the bytes for a reading that it leaves.
    """

    cpu_us: float
    stores_cpu_us: float
    stored: float


def bytes_per_reading(uploads: Uploads, server: WebServer, load: Load) -> float:
    """Upload whole drives, and return what a reading takes."""
    before = uploads.contender.stored_bytes()
    drives = DRIVES_OF_ROWS if uploads.contender.is_peer else DRIVES_OF_CHUNKS
    readings = uploads.whole_drives(drives, server, load)
    return (uploads.contender.stored_bytes() - before) / readings


def measure_ours(uploads: Uploads, server: WebServer, stands: Stores, load: Load) -> tuple[float, Compaction]:
    """Return the bytes of a reading of ours as it is appended, and what becomes of them in the worker."""
    compact_all(stands, uploads.contender)
    before = uploads.contender.stored_bytes()
    readings = uploads.whole_drives(DRIVES_OF_CHUNKS, server, load)
    appended = uploads.contender.stored_bytes() - before
    compact_all(stands, uploads.contender)
    stored = uploads.contender.stored_bytes() - before
    cpu_us, stores_cpu_us = compacted_as_they_come(uploads, server, stands, load)
    return appended / readings, Compaction(cpu_us, stores_cpu_us, stored / readings)


def compacted_as_they_come(uploads: Uploads, server: WebServer, stands: Stores, load: Load) -> tuple[float, float]:
    """Upload to some drives in order, and compact each as soon as the worker is asked to: at a block's readings.

    Return the CPU time for an upload, of this process and of the stores. What the worker takes to receive a task is not
    in it.
    """
    each = -(-compaction.DUE_READINGS // uploads.size)
    drives = [uploads.new_drive() for _ in range(DRIVES + 1)]
    uploads.start(server, load)
    own = of_stores = 0.0
    for number, drive in enumerate(drives):
        for turn in range(TURNS):
            batches = [drive.upload(drive.batch(place)) for place in range(turn * each, (turn + 1) * each)]
            load.run(Job(server.port, batches, connections=1))
            before = time.process_time(), stands.cpu_us()
            compact(stands, rows.drive_id(drive.number))
            if number:  # The first one warms everything up.
                own += time.process_time() - before[0]
                of_stores += stands.cpu_us() - before[1]
    uploaded = DRIVES * TURNS * each
    return own * 1e6 / uploaded, of_stores / uploaded


def compact(stands: Stores, session_id: str) -> None:
    """Do what the worker's task does."""
    with stands.app.app_context():
        is_more = True
        while is_more:
            is_more = compaction.compact(session_id)
            db.session.commit()


def compact_all(stands: Stores, ours: Contender) -> None:
    """Put all that was appended into chunks."""
    with ours.connect() as connection:
        session_ids = connection.execute("SELECT DISTINCT session_id::text FROM appended_readings").fetchall()
    for (session_id,) in session_ids:
        compact(stands, str(session_id))
