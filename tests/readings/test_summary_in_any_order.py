"""A drive has one summary, to the last digit, however its readings were cut, delivered and joined."""

import random
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed import drives
from tests.readings.pieces import Memory
from webapp.readings.chunks import CHUNK_SEQS, Reading
from webapp.readings.partials import MAX_GAP_MS, appended, area_of, partial
from webapp.readings.summary import Summary, summarize

STEPS_MS = st.sampled_from([0, 1, 400, 1000, 1000, 1000, 2000, 2001, MAX_GAP_MS, MAX_GAP_MS + 1])
STEPS_SEQ = st.integers(1, 60) | st.sampled_from([CHUNK_SEQS, CHUNK_SEQS * 15, CHUNK_SEQS * 16**3, CHUNK_SEQS * 16**9])
SET_BACK_MS = st.sampled_from([0, 0, 0, 0, 1, 1000, 5000, 600_000])
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
    return summarize(partial(readings), "final")


@st.composite
def in_time_order(draw: st.DrawFn) -> list[Reading]:
    rows = draw(st.lists(st.tuples(STEPS_MS, STEPS_SEQ, MEASUREMENTS), min_size=1, max_size=40))
    readings, t, seq = [], 1_700_000_000_000, 0
    for step_ms, step_seq, measurements in rows:
        t, seq = t + step_ms, seq + step_seq
        readings.append({"seq": seq, "t": t, **measurements})
    return readings


@st.composite
def at_random_times(draw: st.DrawFn) -> list[Reading]:
    readings = draw(in_time_order())
    for reading in readings:
        reading["t"] -= draw(SET_BACK_MS)
    return readings


@settings(max_examples=100, deadline=None)
@given(in_time_order() | at_random_times(), st.lists(st.integers(1, 39), max_size=8))
def test_readings_cut_anyhow_and_appended_give_the_summary_of_the_whole(
    readings: list[Reading], cuts: list[int]
) -> None:
    edges = sorted({0, len(readings), *(cut for cut in cuts if cut < len(readings))})
    pieces = [readings[start:end] for start, end in pairwise(edges)]
    whole = partial(pieces[0])
    for piece in pieces[1:]:
        whole = appended(orjson.loads(orjson.dumps(whole)), piece)

    assert summarize(whole, "final") == summary_of(readings)


@settings(max_examples=200, deadline=None)
@given(in_time_order() | at_random_times(), st.data())
def test_batches_late_repeated_and_out_of_order_give_the_summary_of_the_drive_in_order(
    readings: list[Reading], data: Any
) -> None:
    repeats = data.draw(st.lists(st.sampled_from(readings), max_size=10))
    delivered = data.draw(st.permutations(readings + repeats))
    size = data.draw(st.integers(1, 12))
    drive = Memory()
    for start in range(0, len(delivered), size):
        whole = drive.take_in(delivered[start : start + size])

    assert summarize(whole, "final") == summary_of(readings)


def test_a_long_drive_of_jumping_clocks_has_one_summary_in_whatever_order_its_blocks_come() -> None:
    chance = random.Random(13)
    for jump_ms in (0, 3_000, 100_000, 10_000_000):
        readings = [
            {
                "seq": n * CHUNK_SEQS // 3,
                "t": 1_700_000_000_000 + n * 1000 - chance.randrange(jump_ms + 1),
                "speed_mps": chance.uniform(0, 40),
                "accel_long_mps2": chance.uniform(-9, 9),
            }
            for n in range(900)
        ]
        delivered = chance.sample(readings, len(readings))
        drive = Memory()
        for start in range(0, len(delivered), 30):
            whole = drive.take_in(delivered[start : start + 30])

        assert summarize(whole, "final") == summary_of(readings)


def test_a_real_drive_has_one_summary_however_it_was_cut() -> None:
    if not (paths := drives.paths()):
        pytest.skip(f"no drives in {drives.folder()}")
    rows = drives.load(paths[-1])
    whole = summary_of(rows)

    for size in (97, CHUNK_SEQS, 1000):
        pieces = [rows[start : start + size] for start in range(0, len(rows), size)]
        random.Random(size).shuffle(pieces)
        drive = Memory()
        for piece in pieces:
            summed_up = drive.take_in(piece)
        assert summarize(summed_up, "final") == whole


def test_sums_beyond_64_bits_are_exact() -> None:
    readings: list[Reading] = [{"seq": n, "t": n * MAX_GAP_MS, "speed_mps": 1000 - n % 2 / 1e6} for n in range(20_000)]
    drive = Memory()
    for first in (10_000, 0, 15_000, 5_000):
        whole = drive.take_in(readings[first : first + 5_000])

    [area, *_] = partial(readings)["travel"]["sums"]
    assert area > 2**63
    assert area_of(orjson.loads(orjson.dumps(whole))["travel"]) == area
