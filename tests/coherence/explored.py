"""Explorations that several tests look at, each made once in a process, and the faults that they allow."""

from functools import lru_cache

from tests.coherence.explore import Exploration, explore
from tests.coherence.protocol import OURS, PROTOCOLS
from tests.coherence.states import Limits

NO_LOSS, ONE_LOSS, TWO_LOSSES_AND_A_CRASH = Limits(0, 0), Limits(1, 0), Limits(2, 1)
NO_ANSWER, REPEATS = Limits(1, 0, unanswered=1), Limits(1, 0, with_repeats=True)


@lru_cache
def explored(name: str, limits: Limits) -> Exploration:
    return explore(PROTOCOLS[name], limits)


def ours() -> Exploration:
    return explored(OURS.name, TWO_LOSSES_AND_A_CRASH)
