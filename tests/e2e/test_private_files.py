"""What the processes leave on the disk is nobody else's to read, although who starts them would let everybody."""

import stat
from pathlib import Path

from embedded.valkey import Valkey
from testbed.api import Api
from testbed.driver import Driver
from testbed.fleet import Fleet, procfile

OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def test_files_and_folders_are_private_without_bin_run(tmp_path: Path, fleet_valkey: Valkey) -> None:
    var_dir = tmp_path / "not" / "there" / "yet"
    commands = {name: f"umask 000; {command}" for name, command in procfile().items()}
    with Fleet(tmp_path, {"VAR_DIR": str(var_dir), "REDIS_URL": fleet_valkey.url}, commands) as fleet:
        fleet.run("release")
        fleet.ensure("web", "worker", "beat")
        with Api(fleet.port) as api:
            Driver.registered(api).starts_a_drive()
        fleet.wait(lambda: list(var_dir.glob("celerybeat-schedule*")), 10, "beat", "write its schedule")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [var_dir, *var_dir.iterdir()]}
    assert {"yet", "driving.db"} <= modes.keys()
    assert {name: oct(mode) for name, mode in modes.items() if mode & OPEN_TO_OTHERS} == {}
    for name in ("release", "web", "worker", "beat"):
        assert "Traceback" not in fleet.log(name)


def test_beat_makes_its_folder_private(tmp_path: Path, fleet_valkey: Valkey) -> None:
    commands = {name: f"umask 000; {command}" for name, command in procfile().items()}
    schedule = tmp_path / "schedules" / "celerybeat-schedule"
    told = {"CELERYBEAT_SCHEDULE_FILENAME": str(schedule), "REDIS_URL": fleet_valkey.url}
    with Fleet(tmp_path, told, commands) as fleet:
        fleet.start("beat")
        fleet.wait(lambda: list(schedule.parent.glob("*")), 10, "beat", "write its schedule")
        paths = [schedule.parent, *schedule.parent.iterdir()]
        assert [path.name for path in paths if path.stat().st_mode & OPEN_TO_OTHERS] == []
