"""An upload costs the same at the first reading and the millionth, in order, late or repeated, whatever came before."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from flask import Flask

from testbed.people import Person
from tests.driving.costs import Cost, counted
from tests.driving.long_drives import CLOCKS, DRIVE_S, NUMBERINGS, LongDrive, long_drive
from webapp.clock import rfc3339, utcnow
from webapp.database import db
from webapp.readings.chunks import CHUNK_SEQS

BLOCKS = 4_200
"""As many levels of the tree as 20,000 have: 4, where no numbers are left out."""

IN_ORDER = {"statements": 2, "rows_read": 1, "rows_written": 1, "decoded": 0}
REPEATED = {"statements": 4, "rows_read": 3, "rows_written": 1, "decoded": 1}
AT_MOST = {"statements": 19, "rows_read": 25, "rows_written": 16, "decoded": 12, "bytes_read": 120_000}
AT_MOST_OF_16_BLOCKS = {"statements": 83, "rows_read": 165, "rows_written": 92, "decoded": 65, "bytes_read": 500_000}


def parts(cost: Cost, names: dict[str, int]) -> dict[str, int]:
    return {name: getattr(cost, name) for name in names}


def exceeded(cost: Cost, limits: dict[str, int]) -> dict[str, int]:
    return {name: found for name, found in parts(cost, limits).items() if found > limits[name]}


def test_an_upload_reads_no_more_after_many_blocks_than_after_a_few(
    app: Flask, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = alice.starts_a_drive(started_at="2026-01-05T08:00:00Z")
    costs = []
    for batch in range(20):
        for shift in (0, 1):
            readings = [
                {"seq": (batch * 16 + n) * CHUNK_SEQS + shift, "t": f"2026-01-05T08:{batch:02d}:{n:02d}.{shift}00Z"}
                for n in range(16 if shift == 0 else 1)
            ]
            with app.app_context(), counted(db.engine, monkeypatch) as cost:
                answer = alice.post(f"/sessions/{session['id']}/readings", json={"readings": readings})
            assert answer.json["accepted"] == len(readings)
        costs.append(cost)
    assert max(cost.rows_read for cost in costs) < 20
    assert max(cost.bytes_read for cost in costs[1:]) < 2 * costs[1].bytes_read


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("numbering", NUMBERINGS)
def test_no_upload_costs_more_because_of_what_came_before(
    app: Flask, alice: Person, monkeypatch: pytest.MonkeyPatch, numbering: str, clock: str
) -> None:
    began = rfc3339(utcnow() - timedelta(seconds=2 * DRIVE_S))
    session_id = alice.starts_a_drive(started_at=began)["id"]
    with app.app_context():
        assert_bounded(long_drive(session_id, BLOCKS, numbering, clock), monkeypatch)


def assert_bounded(drive: LongDrive, patch: pytest.MonkeyPatch) -> None:
    """Upload ten readings here and there, and hold what it costs against the bounds."""

    def cost_of(seqs: Sequence[int], at_s: float, accepted: int) -> Cost:
        with counted(db.engine, patch) as cost:
            assert drive.uploads(seqs, at_s)["accepted"] == accepted
        return cost

    last, middle = drive.blocks[-1] * CHUNK_SEQS, drive.blocks[len(drive.blocks) // 2] * CHUNK_SEQS
    first = drive.blocks[0] * CHUNK_SEQS
    assert parts(cost_of(range(last + 100, last + 110), DRIVE_S, 10), IN_ORDER) == IN_ORDER
    assert exceeded(cost_of(range(last + 100, last + 110), DRIVE_S, 0), AT_MOST) == {}, "what was appended is put away"
    assert parts(cost_of(range(last + 100, last + 110), DRIVE_S, 0), REPEATED) == REPEATED
    assert exceeded(cost_of(range(last + 256, last + 266), DRIVE_S, 10), AT_MOST) == {}
    for n, at_s in enumerate((0, DRIVE_S / 3, DRIVE_S * 0.8, DRIVE_S * 1.1)):
        # The drive grows in between, so that each time there is something to be put away first.
        cost_of(range(last + 300 + 5 * n, last + 305 + 5 * n), DRIVE_S, 5)
        for at_seq in (first, middle):
            seqs = range(at_seq + 129 + 5 * n, at_seq + 134 + 5 * n)
            assert exceeded(cost_of(seqs, at_s, 5), AT_MOST) == {}, (at_s, at_seq)
    step = len(drive.blocks) // 16
    spread = [block * CHUNK_SEQS + 200 for block in drive.blocks[::step][:16]]
    assert exceeded(cost_of(spread, DRIVE_S / 2, 16), AT_MOST_OF_16_BLOCKS) == {}
