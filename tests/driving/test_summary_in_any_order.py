"""A drive has one summary, to the last digit, however its readings were cut, delivered and joined."""

import random
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import drives
from tests.drives import at_speeds
from webapp.driving.chunks import CHUNK_SEQS, Reading, block_of, decode, encode
from webapp.driving.summary import MAX_GAP_MS, OverlappingPartialsError, Summary, partial, summarize

STEPS_MS = st.sampled_from([0, 1, 400, 1000, 1000, 1000, 2000, 2001, MAX_GAP_MS, MAX_GAP_MS + 1])
MEASUREMENTS = st.fixed_dictionaries(
    {},
    optional={
        "speed_mps": st.none() | st.floats(0, 60) | st.sampled_from([0.0, 3.0, 6.0, 8.5]),
        "accel_long_mps2": st.none() | st.floats(-9, 9) | st.sampled_from([-3.0, 2.5]),
        "fatigue_score": st.floats(0, 100),
        "perclos": st.floats(0, 1),
    },
)


def summary_of(readings: list[Reading]) -> Summary:
    return summarize([partial(readings)], "final")


@st.composite
def in_time_order(draw: st.DrawFn) -> list[Reading]:
    rows = draw(st.lists(st.tuples(STEPS_MS, st.integers(1, 60), MEASUREMENTS), min_size=1, max_size=30))
    readings, t, seq = [], 1_700_000_000_000, 0
    for step_ms, step_seq, measurements in rows:
        t, seq = t + step_ms, seq + step_seq
        readings.append({"seq": seq, "t": t, **measurements})
    return readings


@st.composite
def at_random_times(draw: st.DrawFn) -> list[Reading]:
    readings = draw(in_time_order())
    for reading in readings:
        reading["t"] -= draw(st.sampled_from([0, 0, 0, 0, 1000, 5000, 600_000]))
    return readings


def summary_of_pieces(pieces: list[list[Reading]]) -> Summary:
    """Summarize as an upload does: from stored partials, and from the readings only of pieces that overlap in time."""
    partials = [orjson.loads(orjson.dumps(partial(piece))) for piece in pieces]
    try:
        return summarize(partials, "final")
    except OverlappingPartialsError as error:
        grouped = {position for group in error.groups for position in group}
        apart = [each for position, each in enumerate(partials) if position not in grouped]
        rebuilt = [partial(row for position in group for row in pieces[position]) for group in error.groups]
        return summarize(apart + rebuilt, "final")


def store(batches: Iterable[list[Reading]]) -> list[list[Reading]]:
    """Upload batches into chunks and return the readings of each chunk; a repeated seq changes nothing."""
    blobs: dict[int, bytes] = {}
    for batch in batches:
        for block in {block_of(reading["seq"]) for reading in batch}:
            new = {reading["seq"]: reading for reading in batch if block_of(reading["seq"]) == block}
            blobs[block] = encode(new | decode(blobs[block]) if block in blobs else new)
    return [list(decode(blob).values()) for blob in blobs.values()]


@settings(max_examples=100, deadline=None)
@given(in_time_order() | at_random_times(), st.data())
def test_readings_cut_anyhow_and_joined_in_any_order_give_the_summary_of_the_whole(
    readings: list[Reading], data: Any
) -> None:
    pieces: dict[int, list[Reading]] = {}
    for reading in readings:
        pieces.setdefault(data.draw(st.integers(0, 4)), []).append(reading)

    assert summary_of_pieces(list(pieces.values())) == summary_of(readings)


@settings(max_examples=60, deadline=None)
@given(in_time_order(), st.lists(st.integers(0, 29), max_size=8))
def test_readings_in_time_order_are_joined_from_their_partials_alone(readings: list[Reading], cuts: list[int]) -> None:
    edges = sorted({0, len(readings), *(cut for cut in cuts if cut < len(readings))})
    partials = [partial(readings[start:end]) for start, end in pairwise(edges)]
    random.Random(len(cuts)).shuffle(partials)

    assert summarize(partials, "final") == summary_of(readings)


@settings(max_examples=50, deadline=None)
@given(in_time_order() | at_random_times(), st.data())
def test_batches_late_repeated_and_out_of_order_give_the_summary_of_the_drive_in_order(
    readings: list[Reading], data: Any
) -> None:
    repeats = data.draw(st.lists(st.sampled_from(readings), max_size=10))
    delivered = data.draw(st.permutations(readings + repeats))
    size = data.draw(st.integers(1, 12))
    batches = (delivered[start : start + size] for start in range(0, len(delivered), size))

    assert summary_of_pieces(store(batches)) == summary_of(readings)


def test_overlapping_partials_are_named_so_that_only_they_are_recomputed() -> None:
    forward = [partial(at_speeds((t, 10), (t + 5, 10))) for t in (0, 100, 200)]
    set_back = [{**row, "seq": row["seq"] + 2} for row in at_speeds((104, 10), (120, 10))]

    with pytest.raises(OverlappingPartialsError) as caught:
        summarize([*forward, partial(set_back)], "final")

    assert caught.value.groups == [[1, 3]]


def test_a_real_drive_has_one_summary_however_it_was_cut() -> None:
    if not (paths := drives.paths()):
        pytest.skip(f"no drives in {drives.folder()}")
    rows = drives.load(paths[-1])
    whole = summary_of(rows)

    for size in (1, 10, 97, CHUNK_SEQS):
        pieces = [rows[start : start + size] for start in range(0, len(rows), size)]
        random.Random(size).shuffle(pieces)
        assert summary_of_pieces(pieces) == whole
