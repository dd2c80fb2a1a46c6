"""Redis refuses for a moment, in real processes: what one process acknowledged, another one must not deny."""

import random
from collections.abc import Iterator

import pytest

from testbed.refusals import CAUSES, Pair, pair

ROUNDS = 12


@pytest.fixture(scope="module")
def playing() -> Iterator[Pair]:
    with pair() as playing:
        yield playing


@pytest.mark.parametrize("cause", CAUSES)
def test_nothing_old_and_no_dead_token_is_accepted_elsewhere(playing: Pair, cause: str) -> None:
    playing.found.clear()
    for number in range(ROUNDS):
        playing.play(CAUSES[cause], random.Random(f"{cause} {number}"), number)
    assert (playing.found["stale"], playing.found["revived"]) == (0, 0)
    assert playing.found["hits"] >= ROUNDS
