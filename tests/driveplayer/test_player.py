"""Whole drives against the real application. It has no worker here: what is cached was put by readers."""

from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO

import pytest

from driveplayer import recording, synthetic
from driveplayer.account import Account
from driveplayer.client import Client, ClientError
from driveplayer.drive import Drive
from driveplayer.measurements import Performance
from driveplayer.player import A_MOMENT_S, Manner, Player
from driveplayer.progress import Progress
from driveplayer.verdict import faults
from testbed import drives
from tests.driveplayer.told import Timing, Told

AT_ONCE = Manner(speed_up=0)


def play(
    drive: Drive,
    account: Account,
    manner: Manner = AT_ONCE,
    progress: Progress | None = None,
    timing: Timing | None = None,
) -> Performance:
    return Player(drive, account, manner, progress or Progress(StringIO()), timing or Timing()).play()


@pytest.fixture
def trip() -> Drive:
    """A short recorded trip with silences in it."""
    path = drives.folder() / "4116880_1.csv"
    if not path.exists():
        pytest.skip(f"the recorded drives are not in {drives.folder()}")
    return recording.load(path, trip=3)[0]


@pytest.fixture
def made_up() -> Drive:
    return synthetic.drive(datetime.now(UTC))


def test_a_recorded_trip_is_taken_in_whole_and_its_summary_is_that_of_its_statistics(
    trip: Drive, account: Account
) -> None:
    performance = play(trip, account)

    assert faults(performance) == []
    assert trip.statistics is not None
    summary = performance.session["summary"]
    assert performance.session["status"] == "completed"
    assert performance.session["readings_count"] == len(trip.readings) == 152
    assert summary["distance_m"] == pytest.approx(trip.statistics.distance_m, rel=1e-4)
    # The times differ by what the report says, and by nothing else.
    moving_s, standing_s = trip.unrecorded_s
    assert summary["moving_s"] == trip.statistics.driving_time_s + moving_s
    assert summary["idle_s"] == trip.statistics.zero_speed_s + standing_s


def test_a_synthetic_drive_is_as_it_was_made(made_up: Drive, account: Account) -> None:
    performance = play(made_up, account)

    assert faults(performance) == []
    assert made_up.statistics is not None
    assert performance.session["tags"] == ["driveplayer", "synthetic"]
    assert performance.session["summary"]["distance_m"] == pytest.approx(made_up.statistics.distance_m, abs=0.01)
    assert performance.session["summary"]["speed_avg_mps"] == pytest.approx(made_up.statistics.speed_avg_mps, abs=0.001)


def test_bad_reception_gives_the_same_summary(trip: Drive, account: Account) -> None:
    in_order = play(trip, account)
    late = play(trip, account, Manner(speed_up=0, is_late=True))

    assert faults(late) == []
    assert sum(upload.duplicates for upload in late.uploads) > 0
    assert late.session["summary"] == in_order.session["summary"]
    assert late.session["id"] != in_order.session["id"]


def test_every_batch_is_followed_by_a_read_that_shows_it(made_up: Drive, account: Account) -> None:
    performance = play(made_up, account)

    assert len(performance.uploads) == 21
    assert [read.source for read in performance.reads] == ["hit"] * 21
    assert not any(read.is_stale for read in performance.reads)


def test_a_screen_that_is_watched_between_batches_is_answered_with_304_from_the_cache(
    made_up: Drive, account: Account
) -> None:
    performance = play(made_up, account, Manner(speed_up=20, batch_s=50))

    # Batches are due after 49, 99, 149, 199 and 206 s of the drive. Each wait of about 2.5 s has three looks, the last,
    # of 0.35 s, has one; and each upload is followed by one that finds what the upload has changed.
    new, known = ("hit", 200), ("hit", 304)
    expected = [new, known, known, new, *[known, known, known, new] * 3, known, new]
    assert [(read.source, read.status) for read in performance.reads] == expected
    assert faults(performance) == []
    assert performance.took_s == pytest.approx(206 / 20)


class InterruptedAtTheThirdUpdate(Progress):
    updates = 0

    def update(self, done: float, text: str) -> None:
        self.updates += 1
        if self.updates == 3:
            raise KeyboardInterrupt


def test_an_interrupted_drive_is_ended_with_what_was_uploaded(made_up: Drive, account: Account) -> None:
    performance = play(made_up, account, progress=InterruptedAtTheThirdUpdate(StringIO()))

    assert performance.is_interrupted
    assert faults(performance) == []
    assert performance.session["status"] == "completed"
    assert performance.session["readings_count"] == 20
    assert performance.session["ended_at"] == performance.session["last_reading_at"]


def test_the_end_of_a_drive_is_looked_at_after_a_moment(made_up: Drive, account: Account) -> None:
    timing = Timing()
    performance = play(made_up, account, timing=timing)

    assert timing.slept == [A_MOMENT_S]
    assert performance.read_back is not None
    assert (performance.read_back.status, performance.read_back.source) == (200, "hit")


def test_a_drive_in_the_future_is_refused_in_one_line(account: Account) -> None:
    drive = synthetic.drive(datetime(2999, 1, 1, tzinfo=UTC))

    with pytest.raises(ClientError, match=r"422 validation_failed: .*/started_at must not lie"):
        play(drive, account)


def test_a_second_drive_of_an_active_driver_is_refused(made_up: Drive, account: Account) -> None:
    account.call("POST", "/sessions", body={}, accepted=(201,))

    with pytest.raises(ClientError, match="409 session_already_active"):
        play(made_up, account)


def test_a_server_that_shows_an_upload_too_late_is_found_out(told: Callable[..., Told]) -> None:
    [reading, *_] = synthetic.drive(datetime.now(UTC)).readings
    drive = Drive("A single reading", "none", [reading], reading.t_ms, reading.t_ms)
    session = {"id": "s", "version": 1, "status": "completed", "readings_count": 1, "summary": {"status": "final"}}
    receipt = {"accepted": 1, "duplicates": 0, "rejected": [], "session_version": 2}
    server = told(
        (200, {"access_token": "a", "refresh_token": "r"}),
        (201, session),
        (200, receipt),
        (200, session),
        (200, session | {"version": 3}),
        (200, session | {"version": 3}),
    )
    with Client(server.url) as client:
        account = Account(client)
        account.log_in()
        performance = play(drive, account)

    assert [asked.path.removeprefix("/api/v1/sessions") for asked in server.asked[2:]] == [
        "/s/readings",
        "/s",
        "/s/end",
        "/s",
    ]
    assert faults(performance) == ["1 of 2 reads showed less than what was acknowledged before"]
