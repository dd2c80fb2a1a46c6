"""Long drives, made quickly, as a patient adversary's app would leave them."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from webapp.clock import EPOCH, epoch_ms, utcnow
from webapp.database import db
from webapp.driving import chunk_rows, compaction, intake, sessions, sums
from webapp.driving.chunk_rows import Content
from webapp.models import DrivingSession
from webapp.readings import chunks
from webapp.readings.chunks import CHUNK_SEQS
from webapp.readings.partials import partial

DRIVE_S = 36_000
PER_BLOCK = 4


def _dense(n: int, _blocks: int) -> int:
    return n


def _scattered(n: int, blocks: int) -> int:
    # The low bits of n become the high ones: numbers that share as few nodes as they can.
    return int(f"{n:020b}"[::-1], 2) * 16**6 + n


def _in_order(n: int, blocks: int, _chance: random.Random) -> float:
    return n / blocks


def _jumping(_n: int, _blocks: int, chance: random.Random) -> float:
    return chance.random()


def _backwards(n: int, blocks: int, _chance: random.Random) -> float:
    return 1 - n / blocks


def _sawtooth(n: int, blocks: int, _chance: random.Random) -> float:
    # Each 16th falls back, and so does each 256th: a cut in nodes of every level.
    return (n - 24 * (n // 16 % 2) - 300 * (n // 256 % 2)) / blocks


NUMBERINGS: dict[str, Callable[[int, int], int]] = {"dense": _dense, "scattered": _scattered}
CLOCKS: dict[str, Callable[[int, int, random.Random], float]] = {
    "in order": _in_order,
    "jumping": _jumping,
    "backwards": _backwards,
    "sawtooth": _sawtooth,
}


def compacted(session_id: str) -> None:
    """Put what was appended to a drive into its chunks, as the worker does."""
    while compaction.compact(session_id):
        db.session.commit()
    db.session.commit()


@dataclass
class LongDrive:
    """A drive of these blocks, each with `PER_BLOCK` readings."""

    session_id: str
    user_id: str
    blocks: list[int]

    def uploads(self, seqs: Sequence[int], at_s: float = DRIVE_S) -> dict[str, Any]:
        """Upload readings with these seqs, at times that follow each other from `at_s` on, and return the receipt."""
        start_ms = epoch_ms(utcnow() - timedelta(seconds=2 * DRIVE_S - at_s))
        batch = [{"seq": seq, "t": start_ms + 100 * n, "speed_mps": 10.0} for n, seq in enumerate(seqs)]
        receipt = intake.take_in(sessions.locked(self.user_id, self.session_id), batch)
        db.session.commit()
        return receipt


def long_drive(session_id: str, blocks: int, numbering: str, clock: str) -> LongDrive:
    """Make a drive long. Must be called inside an application's context."""
    chance = random.Random(blocks)
    numbers = sorted(NUMBERINGS[numbering](n, blocks) for n in range(blocks))
    started_ms = (utcnow() - timedelta(seconds=2 * DRIVE_S) - EPOCH) // timedelta(milliseconds=1)
    contents = []
    for n, number in enumerate(numbers):
        rows = {
            (seq := number * CHUNK_SEQS + each * 32): {
                "seq": seq,
                "t": started_ms + round(1000 * DRIVE_S * CLOCKS[clock](n, blocks, chance)) + 700 * each,
                "speed_mps": 10.0 + each,
            }
            for each in range(PER_BLOCK)
        }
        contents.append(Content(number, PER_BLOCK, chunks.encode(rows), partial(rows.values())))
    # A transaction at a time: one that is idle for long, while this process computes, is ended by the server.
    for first in range(0, blocks, 500):
        chunk_rows.write(db.session.connection(), session_id, contents[first : first + 500], known=())
        db.session.commit()
    session, connection = db.session.get_one(DrivingSession, session_id), db.session.connection()
    session.sums = sums.summed_up(connection, session_id)
    session.readings_count = PER_BLOCK * blocks
    session.last_seq = numbers[-1] * CHUNK_SEQS + (PER_BLOCK - 1) * 32
    db.session.commit()
    return LongDrive(session_id, session.user_id, numbers)
