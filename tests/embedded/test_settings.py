"""The run command reads the environment, then .env, then its defaults; what is wrong is one clear line."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from embedded import settings
from embedded.settings import SettingsError

PROCFILE = """
release: exec flask --app wsgi db upgrade
web: exec gunicorn wsgi:app
worker: exec celery -A worker worker
beat: exec celery -A worker beat
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "Procfile").write_text(PROCFILE)
    return tmp_path


def test_nothing_has_to_be_set(checkout: Path) -> None:
    chosen = settings.load({}, checkout)
    assert chosen.port == 8000
    assert chosen.var_dir == checkout / "var"
    assert not chosen.is_given("REDIS_URL")


def test_commands_are_the_procfiles_in_the_order_of_their_start(checkout: Path) -> None:
    commands = settings.load({}, checkout).commands
    assert list(commands) == ["release", "web", "worker", "beat"]
    assert commands["web"] == "exec gunicorn wsgi:app"


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1", "80 80", "8000.0", "٨٠"])
def test_a_port_that_is_none_is_refused(checkout: Path, port: str) -> None:
    with pytest.raises(SettingsError, match="PORT must be a number from 1 to 65535"):
        settings.load({"PORT": port}, checkout)


def test_the_folder_may_lie_anywhere(checkout: Path) -> None:
    assert settings.load({"VAR_DIR": "/srv/driving"}, checkout).var_dir == Path("/srv/driving")
    assert settings.load({"VAR_DIR": "var2"}, checkout).var_dir == checkout / "var2"


@pytest.mark.parametrize(
    ("environ", "port"), [({}, 9000), ({"PORT": "9100"}, 9100)], ids=["from .env", "from the environment first"]
)
def test_the_environment_wins_over_the_env_file(checkout: Path, environ: Mapping[str, str], port: int) -> None:
    (checkout / ".env").write_text("# A comment.\nPORT=9000\nREDIS_URL='redis://:pa$$word@127.0.0.1:6379/0'\n")
    chosen = settings.load(environ, checkout)
    assert chosen.port == port
    assert chosen.environment["REDIS_URL"] == "redis://:pa$$word@127.0.0.1:6379/0"


def test_an_empty_value_counts_as_none(checkout: Path) -> None:
    chosen = settings.load({"PORT": "", "VAR_DIR": "", "REDIS_URL": ""}, checkout)
    assert chosen.port == 8000
    assert chosen.var_dir == checkout / "var"
    assert not chosen.is_given("REDIS_URL")


def test_a_missing_procfile_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Procfile"):
        settings.load({}, tmp_path)


def test_a_missing_line_of_the_procfile_is_told(checkout: Path) -> None:
    (checkout / "Procfile").write_text("web: exec gunicorn wsgi:app\nrelease: exec flask db upgrade\n")
    with pytest.raises(SettingsError, match="no line for worker, beat"):
        settings.load({}, checkout)
