"""How much one account may do, so that none makes the service dear for the others.

Of both what was done is counted, after its COMMIT. What failed or was refused counts for nothing: an app that tries
again, all through an outage, must not find itself locked out when that is over. What is under way at the same time may
exceed a limit together, by a batch for each thread or so.
"""

from collections.abc import Sequence

from webapp.config import settings
from webapp.driving.intake import MAX_BLOCKS_OF_BATCH
from webapp.driving.schemas import ReadingDocument
from webapp.http.rate_limits import Limit, rate_limits
from webapp.readings.chunks import CHUNK_SEQS, block_of

IN_ORDER = 2
"""Blocks that a small batch in order touches. Each further one takes about as long as an upload of all it may hold."""


def require_start(user_id: str) -> None:
    """Refuse a start of an account that has none left: 429."""
    rate_limits().require(_starts(), user_id)


def note_start(user_id: str) -> None:
    """Count a drive that this account started, or an answer that is kept for it under a key of its own."""
    rate_limits().note(_starts(), user_id)


def require_readings(user_id: str, cost: int) -> None:
    """Refuse a batch of an account that has not as much left: 429."""
    rate_limits().require(_readings(), user_id, amount=cost)


def note_readings(user_id: str, cost: int) -> None:
    """Count a batch of this account that was answered."""
    rate_limits().note(_readings(), user_id, amount=cost)


def cost_of(batch: Sequence[ReadingDocument]) -> int:
    """Return as how many readings a batch counts.

    All of them count, because those that are rejected or were there already take as long. A few that are scattered
    over many blocks count as all that these may hold: they are decoded, and encoded anew.
    """
    blocks = min(len({block_of(reading.seq) for reading in batch}), MAX_BLOCKS_OF_BATCH)
    return max(len(batch), (blocks - IN_ORDER) * CHUNK_SEQS)


def _starts() -> Limit:
    return Limit("starts", settings().ratelimit_starts_per_account)


def _readings() -> Limit:
    return Limit("readings", settings().ratelimit_readings_per_account)
