"""How much one account may do, so that none makes the service dear for the others.

Of both what was done is counted, after its COMMIT. What failed or was refused counts for nothing: an app that tries
again, all through an outage, must not find itself locked out when that is over. What is under way at the same time may
exceed a limit together, by a batch for each thread or so.
"""

from collections.abc import Sequence

from webapp.config import settings
from webapp.driving.intake import MAX_BLOCKS_OF_BATCH
from webapp.http.rate_limits import Limit
from webapp.readings.chunks import CHUNK_SEQS, Reading, block_of

STARTS = Limit("starts", lambda: settings().ratelimit_starts_per_account)
"""Of drives that an account started, and of answers that are kept for it under keys of its own."""

READINGS = Limit("readings", lambda: settings().ratelimit_readings_per_account)

IN_ORDER = 2
"""Blocks that a small batch in order touches. Each further one takes about as long as an upload of all it may hold."""


def cost_of(batch: Sequence[Reading]) -> int:
    """Return as how many readings a batch counts.

    All of them count, because those that are rejected or were there already take as long. A few that are scattered
    over many blocks count as all that these may hold: they are decoded, and encoded anew.
    """
    blocks = min(len({block_of(reading["seq"]) for reading in batch}), MAX_BLOCKS_OF_BATCH)
    return max(len(batch), (blocks - IN_ORDER) * CHUNK_SEQS)
