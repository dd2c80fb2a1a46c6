"""The PostgreSQL of the tests runs unprivileged, keeps what it acknowledged, and can be failed like a real one."""

import importlib.util
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest
from sqlalchemy import create_engine, text

from embedded.child import StartError
from embedded.postgres import Postgres
from embedded.postgres_binaries import binaries


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


def connect(url: str) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def test_it_never_runs_as_root(postgres: Postgres) -> None:
    uid = psutil.Process(postgres.pid).uids().effective
    assert uid != 0
    assert uid == postgres.data_dir.stat().st_uid
    if os.geteuid() != 0:
        assert uid == os.geteuid()


def test_its_url_is_sqlalchemys(postgres: Postgres) -> None:
    engine = create_engine(postgres.url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    engine.dispose()


def test_it_answers_to_its_password_only(postgres: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(postgres.url.replace(postgres.password, "guess"))


def test_it_listens_on_the_loopback_interface_only(postgres: Postgres) -> None:
    listening = [item.laddr for item in psutil.Process(postgres.pid).net_connections("all") if item.status == "LISTEN"]
    assert [address.ip for address in listening] == ["127.0.0.1"]


def test_databases_are_apart(postgres: Postgres) -> None:
    with connect(postgres.create_database("one")) as one, connect(postgres.create_database("other")) as other:
        one.execute("CREATE TABLE drives (id int)")
        with pytest.raises(psycopg.errors.UndefinedTable):
            other.execute("SELECT * FROM drives")


def test_a_killed_one_comes_back_on_the_same_port_with_what_was_committed(postgres: Postgres) -> None:
    url = postgres.create_database("killed")
    with connect(url) as connection:
        connection.execute("CREATE TABLE drives (id int)")
        for number in range(20):
            connection.execute("INSERT INTO drives VALUES (%s)", [number])
        postgres.kill()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    postgres.start()
    with connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM drives").fetchone() == (20,)


def test_a_stopped_one_starts_again_with_its_data(postgres: Postgres) -> None:
    url = postgres.create_database("stopped")
    postgres.stop()
    postgres.start()
    connect(url).close()


def test_a_paused_one_hangs_connections_that_are_open_until_it_resumes(postgres: Postgres) -> None:
    with connect(postgres.url) as connection:
        postgres.pause()
        query = threading.Thread(target=connection.execute, args=("SELECT 1",))
        query.start()
        query.join(0.3)
        assert query.is_alive()
        postgres.resume()
        query.join(5.0)
        assert not query.is_alive()


def test_a_paused_one_can_be_killed(postgres: Postgres) -> None:
    postgres.pause()
    postgres.kill()
    postgres.start()
    connect(postgres.url).close()


def test_two_run_side_by_side_and_leave_no_temporary_folder(postgres: Postgres) -> None:
    with Postgres(config={"max_connections": "10"}) as other:
        folder = other.temporary_dir
        with connect(other.url) as connection:
            assert connection.execute("SHOW max_connections").fetchone() == ("10",)
        assert other.port != postgres.port
    assert not folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can own binaries that the server's user cannot reach")
def test_binaries_in_a_folder_that_is_closed_to_the_servers_user_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = binaries().parent.parent
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for name in (package.name, f"{package.name}.libs"):
        if (package.parent / name).is_dir():
            shutil.copytree(package.parent / name, closed / name)
    monkeypatch.setattr("embedded.postgres.binaries", lambda: closed / package.name / "pginstall" / "bin")
    with Postgres() as server:
        assert Path(psutil.Process(server.pid).exe()).is_relative_to(server.temporary_dir.resolve())


def test_what_to_install_is_told_where_the_wheel_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StartError, match=r"bin/setup --dev"):
        Postgres()


def test_a_setting_that_the_server_refuses_is_told() -> None:
    with pytest.raises(StartError, match="max_connections"), Postgres(config={"max_connections": "none"}):
        pass
