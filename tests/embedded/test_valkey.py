"""The bundled Valkey is closed to others, forgets by default, and can be failed in every way a test needs."""

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from embedded.child import StartError
from embedded.valkey import Valkey


def client_of(server: Valkey) -> redis.Redis:
    return redis.Redis.from_url(server.url, decode_responses=True, socket_timeout=0.3, retry=Retry(NoBackoff(), 0))


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


@pytest.fixture
def client(valkey: Valkey) -> Iterator[redis.Redis]:
    with client_of(valkey) as client:
        yield client


def test_it_answers_to_its_password_only(valkey: Valkey) -> None:
    with (
        redis.Redis(port=valkey.port or 0, retry=Retry(NoBackoff(), 0)) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_its_password_shows_neither_among_the_processes_nor_in_its_folder(valkey: Valkey) -> None:
    process = psutil.Process(valkey.pid)
    assert valkey.password not in " ".join(process.cmdline())
    assert valkey.password not in str(process.environ())
    assert all(valkey.password not in path.read_text() for path in valkey.data_dir.iterdir())


def test_it_listens_on_the_loopback_interface_only(valkey: Valkey) -> None:
    listening = [item.laddr.ip for item in psutil.Process(valkey.pid).net_connections() if item.status == "LISTEN"]
    assert listening == ["127.0.0.1"]


def test_it_has_a_limit_and_evicts_nothing_unless_told_otherwise(client: redis.Redis) -> None:
    limits = client.config_get("maxmemory*")
    assert limits["maxmemory"] == str(256 * 1024 * 1024)
    assert limits["maxmemory-policy"] == "noeviction"


def test_a_full_one_refuses_writes_and_still_reads() -> None:
    with Valkey(config={"maxmemory": "4mb"}) as server, client_of(server) as client:
        client.set("small", "value")
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            for number in range(100):
                client.set(f"large:{number}", "x" * 100_000)
        assert client.get("small") == "value"


@pytest.mark.parametrize("password", ["with a space", "quo\"te's", "back\\slash", "ünïcode", "a/b@c:d#e?f%20"])
def test_any_password_survives_the_configuration_and_the_url(password: str) -> None:
    with Valkey(password=password) as server, client_of(server) as client:
        assert client.ping()


def test_two_run_side_by_side() -> None:
    with Valkey() as one, Valkey() as other, client_of(one) as client_of_one, client_of(other) as client_of_other:
        client_of_one.set("key", "one")
        assert client_of_other.get("key") is None


def test_a_killed_one_comes_back_empty_on_the_same_port(valkey: Valkey, client: redis.Redis) -> None:
    client.set("key", "value")
    url, pid = valkey.url, valkey.pid
    valkey.kill()
    with pytest.raises(redis.ConnectionError):
        client.ping()
    valkey.start()
    assert valkey.url == url
    assert valkey.pid != pid
    assert client.get("key") is None


def test_a_paused_one_keeps_its_connections_and_answers_when_it_resumes(valkey: Valkey, client: redis.Redis) -> None:
    client.set("key", "value")
    valkey.pause()
    with pytest.raises(redis.TimeoutError):
        client.get("key")
    valkey.resume()
    assert client.get("key") == "value"


def test_a_paused_one_can_be_stopped(valkey: Valkey) -> None:
    valkey.pause()
    valkey.stop()
    assert valkey.child.exit_code == 0


def test_it_can_be_restarted_with_an_old_snapshot(tmp_path: Path) -> None:
    with Valkey(data_dir=tmp_path) as server, client_of(server) as client:
        client.set("key", "old")
        client.save()
        shutil.copy(tmp_path / "dump.rdb", tmp_path / "old.rdb")
        client.set("key", "new")
        client.save()
        server.stop()
        (tmp_path / "old.rdb").rename(tmp_path / "dump.rdb")
        server.start()
        assert client.get("key") == "old"


def test_it_persists_what_it_is_configured_to(tmp_path: Path) -> None:
    config = {"appendonly": "yes", "appendfsync": "always"}
    with Valkey(data_dir=tmp_path, config=config) as server, client_of(server) as client:
        client.set("key", "value")
        server.kill()
        server.start()
        assert client.get("key") == "value"
    assert tmp_path.exists()


def test_it_leaves_no_temporary_folder() -> None:
    with Valkey() as server:
        folder = server.temporary_dir
        assert folder.exists()
    assert not folder.exists()


def test_a_port_that_is_taken_is_told(valkey: Valkey) -> None:
    with pytest.raises(StartError, match="Address already in use"), Valkey(port=valkey.port):
        pass


def test_a_free_port_that_somebody_else_took_first_is_given_up_for_another(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, free = valkey.port, 0
    with Valkey() as probe:
        free = probe.port or 0
    offers = iter([taken, free])
    monkeypatch.setattr("embedded.server.free_port", lambda: next(offers))
    with Valkey() as server:
        assert server.port == free


def test_a_setting_that_the_server_refuses_is_told(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="maxmemory-policy"), Valkey(config={"maxmemory-policy": "wishful"}):
        pass


def test_a_setting_cannot_smuggle_in_another(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line break"), Valkey(password="secret\nbind 0.0.0.0"):
        pass


def test_what_to_do_is_told_where_the_wheel_has_no_binary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StartError, match="set REDIS_URL"), Valkey():
        pass


def test_it_is_not_started_twice(valkey: Valkey) -> None:
    with pytest.raises(StartError, match="running already"):
        valkey.start()
