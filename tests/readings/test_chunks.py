"""A chunk gives back exactly the readings that were put in, or says that it cannot."""

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed import drives
from webapp.readings.chunks import CHUNK_SEQS, CorruptChunkError, Reading, block_of, decode, encode

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
FIELDS = {
    **dict.fromkeys(["lat", "lon", "accuracy_m", "speed_mps", "heading_deg"], FLOATS),
    **dict.fromkeys(["accel_long_mps2", "accel_lat_mps2", "perclos"], FLOATS),
    "fatigue_score": FLOATS | st.integers(0, 100),
    "eyes_closed": st.booleans(),
    "blink_rate_pm": FLOATS,
    "hr_bpm": st.integers(20, 250) | FLOATS,
}
TIMES = st.integers(0, 2**45)


MEASUREMENTS = st.fixed_dictionaries({"t": TIMES}, optional={name: v | st.none() for name, v in FIELDS.items()})
CHUNKS = st.dictionaries(st.integers(0, 2**40), MEASUREMENTS, min_size=1, max_size=12).map(
    lambda rows: {seq: {"seq": seq, **row} for seq, row in rows.items()}
)


def without_nulls(readings: dict[int, Reading]) -> dict[int, Reading]:
    return {seq: {k: v for k, v in reading.items() if v is not None} for seq, reading in readings.items()}


@settings(max_examples=60, deadline=None)
@given(CHUNKS)
def test_every_reading_comes_back_exactly_and_in_order_of_seq(readings: dict[int, Reading]) -> None:
    decoded = decode(encode(readings))

    assert decoded == without_nulls(readings)
    assert list(decoded) == sorted(readings)
    # Equality alone would take 1 for 1.0, True for 1 and -0.0 for 0.0.
    assert {seq: repr(sorted(row.items())) for seq, row in decoded.items()} == {
        seq: repr(sorted(row.items())) for seq, row in without_nulls(readings).items()
    }


def test_real_drives_come_back_exactly() -> None:
    if not (paths := drives.paths()):
        pytest.skip(f"no drives in {drives.folder()}")
    readings = {reading["seq"]: reading for reading in drives.load(paths[0])}

    assert decode(encode(readings)) == readings


def test_a_field_that_no_reading_has_costs_nothing() -> None:
    bare = {seq: {"seq": seq, "t": 1000 * seq} for seq in range(CHUNK_SEQS)}
    with_nulls = {seq: {**reading, "hr_bpm": None, "lat": None} for seq, reading in bare.items()}

    assert encode(with_nulls) == encode(bare)
    assert len(encode(bare)) < 100


def test_a_late_reading_added_to_a_decoded_chunk_gives_the_chunk_of_all() -> None:
    readings = {seq: {"seq": seq, "t": 1000 * seq, "speed_mps": seq / 7} for seq in range(10)}
    late = readings.pop(4)

    assert encode({**decode(encode(readings)), 4: late}) == encode({**readings, 4: late})


def test_a_block_holds_the_readings_of_256_consecutive_sequence_numbers() -> None:
    assert [block_of(seq) for seq in (0, 255, 256, 511, 512)] == [0, 0, 1, 1, 2]


def test_there_is_no_chunk_without_readings() -> None:
    with pytest.raises(ValueError, match="at least one reading"):
        encode({})


@pytest.mark.parametrize("format_version", [0, 2, 255])
def test_a_chunk_of_an_unknown_format_is_refused_by_name(format_version: int) -> None:
    blob = encode({0: {"seq": 0, "t": 0}})

    with pytest.raises(CorruptChunkError, match=f"chunk format {format_version:02x}, expected 01"):
        decode(bytes([format_version]) + blob[1:])


BLOB = encode({seq: {"seq": seq, "t": 1000 * seq, "speed_mps": seq / 7} for seq in range(20)})


def test_a_chunk_cut_short_anywhere_is_refused() -> None:
    for length in range(len(BLOB)):
        with pytest.raises(CorruptChunkError):
            decode(BLOB[:length])


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(BLOB) - 1), st.integers(1, 255))
def test_a_damaged_byte_is_refused_or_harmless(position: int, damage: int) -> None:
    damaged = bytearray(BLOB)
    damaged[position] ^= damage

    try:
        decoded = decode(bytes(damaged))
    except CorruptChunkError:
        return
    # A few bits of a zlib stream, such as the hint at the compression level, mean nothing to a reader.
    assert decoded == decode(BLOB)


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"seq":[0],"t":[0,1],"fields":{}}'])
def test_a_sound_stream_of_something_else_is_refused(document: bytes) -> None:
    with pytest.raises(CorruptChunkError):
        decode(b"\x01" + zlib.compress(document))
