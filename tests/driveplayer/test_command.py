"""The command as it is typed: what it prints, and its exit code."""

from pathlib import Path

import pytest

from driveplayer import player
from driveplayer.__main__ import main
from embedded.ports import free_port

NOWHERE = {"DRIVES_DIR": "/nonexistent"}
RECORDING = "timestamp,speed_mph\n" + "".join(f"2026-01-05T08:00:{second:02d}Z,{second}\n" for second in range(30))
TRIPS = "start,end,max_speed_mph,distance_mi,average_speed_mph,driving_time_s,zero_speed_s\n"
TRIP = "2026-01-05T08:00:00Z,2026-01-05T08:00:29Z,29,{distance_mi},14.5,29,1\n"
DISTANCE_MI = 29 * 29 / 2 / 3600


@pytest.fixture(autouse=True)
def _no_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(player, "A_MOMENT_S", 0.0)


@pytest.fixture
def car(tmp_path: Path) -> Path:
    path = tmp_path / "car.csv"
    path.write_text(RECORDING)
    return path


def with_trip(path: Path, distance_mi: float) -> Path:
    path.with_name("car.trips.csv").write_text(TRIPS + TRIP.format(distance_mi=distance_mi))
    return path


def test_a_drive_whose_summary_is_right_ends_with_0(url: str, car: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--url", url, "--speed-up", "0", str(with_trip(car, DISTANCE_MI))])

    out, err = capsys.readouterr()
    assert code == 0, out + err
    assert "car, trip 1 of 1: 0 min 29 s from 2026-01-05T08:00:00.000Z, 30 readings" in out
    assert "30 readings accepted, 0 duplicates, 0 rejected" in out
    assert "3 hits, 0 misses, 0 bypasses; 0 answered 304" in out
    assert "whoever wrote it had left it there" in out
    table = [line.split() for line in out.splitlines()]
    assert ["Summary", "server", "NREL", "difference"] in table
    assert ["distance", "188.0", "m", "188.0", "m", "+0.000%"] in table
    assert ["idle", "time", "*", "1.0", "s", "1.0", "s", "+0.0", "s"] in table
    assert "As it should be." in out
    assert out.endswith("Logged out: access and refresh token are refused.\n")
    assert "car, trip 1 of 1 100%" in err


def test_a_drive_whose_summary_is_off_ends_with_1_and_says_what_is_wrong(
    url: str, car: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["--url", url, "--speed-up", "0", str(with_trip(car, DISTANCE_MI * 1.02))])

    out, _ = capsys.readouterr()
    assert code == 1
    assert "WRONG: the distance of 187.98 m is more than 1 % off" in out
    assert "As it should be." not in out


def test_several_files_are_played_for_one_account(
    url: str, car: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "van.csv").write_text(RECORDING)

    assert main(["--url", url, "--speed-up", "0", "--late", str(car), str(tmp_path / "van.csv")]) == 0
    out, _ = capsys.readouterr()
    assert out.count("As it should be.") == 2
    assert out.count("nothing to compare with") == 2
    assert out.count("Registered and logged in") == 1


def test_without_files_and_folder_a_synthetic_drive_is_played_and_called_so(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--url", url, "--speed-up", "0"], NOWHERE) == 0
    assert "this drive is synthetic" in capsys.readouterr().out


def test_a_login_that_is_kept_can_be_used(url: str, car: Path, capsys: pytest.CaptureFixture[str]) -> None:
    account = ["--email", "dora@example.com", "--password", "correct horse battery"]

    assert main(["--url", url, "--speed-up", "0", "--keep", *account, str(car)]) == 0
    out, _ = capsys.readouterr()
    assert f"{url}/api/v1/sessions" in out
    assert "Logged out" not in out
    assert main(["--url", url, "--speed-up", "0", *account, str(car)]) == 0
    assert "Logged in as dora@example.com" in capsys.readouterr().out


def test_an_absent_server_is_one_line_and_1(car: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{free_port()}"

    assert main(["--url", url, str(car)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"bin/drive: no server of this API answers at {url}: ")
    assert err.count("\n") == 1


def test_a_malformed_recording_is_one_line_and_1_before_anything_is_sent(
    car: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text("timestamp,speed_mph\nnow,3\n")

    assert main(["--url", f"http://127.0.0.1:{free_port()}", str(car), str(broken)]) == 1
    assert capsys.readouterr() == ("", f"bin/drive: {broken}, line 2: timestamp is not a time: 'now'\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--speed-up", "-1"],
        ["--speed-up", "fast"],
        ["--batch", "0"],
        ["--trip", "0", "car.csv"],
        ["--trip", "1"],
        ["--trip", "1", "--all-trips", "car.csv"],
        ["--email", "a@example.com"],
        ["--url", "localhost:8000"],
        ["--unknown"],
    ],
)
def test_wrong_arguments_are_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments, {})
    assert ended.value.code == 2
    assert "bin/drive: error: " in capsys.readouterr().err


def test_the_port_of_the_environment_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()

    assert main([], {**NOWHERE, "PORT": str(port)}) == 1
    assert f"http://127.0.0.1:{port}" in capsys.readouterr().err
