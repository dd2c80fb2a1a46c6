"""`python -m embedded` runs a checkout from nothing, says what is wrong in one line, and leaves nothing behind.

The checkout here is a small one: its Procfile has the four lines, and its web process tells what environment it got.
"""

import json
import os
import signal
import stat
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from embedded.ports import LOOPBACK, free_port
from embedded.valkey import Valkey
from tests.embedded.family import Run, survivors

MAIN = "import sys; from pathlib import Path; from embedded.__main__ import main; sys.exit(main(Path(sys.argv[1])))"

PROCFILE = """
web: exec python web.py
worker: echo working; exec sleep 60
beat: echo beating; exec sleep 60
release: echo migrating
"""

WEB = """
import http.server, json, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(dict(os.environ)).encode()
        self.send_response(200 if self.path in ("/health/ready", "/environment") else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *ignored):
        pass

http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


class Start(Protocol):
    """Start the run command on the checkout, with these settings."""

    def __call__(self, **settings: str) -> Run: ...


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "Procfile").write_text(PROCFILE)
    (tmp_path / "web.py").write_text(WEB)
    return tmp_path


@pytest.fixture
def start(runs: Callable[..., Run], checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    for name in ("DATABASE_URL", "REDIS_URL", "JWT_SECRET_KEY", "VAR_DIR", "APP_ENV", "CELERYBEAT_SCHEDULE_FILENAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOST", LOOPBACK)
    return lambda **settings: runs(MAIN, str(checkout), **{"PORT": str(free_port()), **settings})


def environment_of_web(run: Run) -> dict[str, str]:
    """Wait until the run is ready, and return what its web process was told."""
    url = run.read_until("Ready at").split()[2]
    with urllib.request.urlopen(f"{url}/environment", timeout=5) as answer:
        told: dict[str, str] = json.load(answer)
    return told


def test_it_prints_the_url_and_a_first_call_when_it_is_ready(start: Start) -> None:
    port = free_port()
    run = start(PORT=str(port))
    assert f"http://127.0.0.1:{port} " in run.read_until("Ready at")
    call = run.read_until("curl")
    assert call.startswith(f"curl -s -X POST http://127.0.0.1:{port}/api/v1/auth/register ")
    assert json.loads(call.split("-d '")[1].rstrip("'"))["email"] == "alice@example.com"


def test_the_release_line_is_done_before_the_others_start(start: Start) -> None:
    run = start()
    run.read_until("working")
    assert "release | migrating" in run.output


def test_a_release_line_that_fails_ends_the_run_with_its_code(start: Start, checkout: Path) -> None:
    (checkout / "Procfile").write_text(PROCFILE.replace("echo migrating", "echo no such table; exit 7"))
    run = start()
    assert run.finish() == 7
    assert "no such table" in run.output
    assert "working" not in run.output


def test_nothing_given_means_sqlite_a_valkey_of_its_own_and_secrets_that_are_kept(start: Start, checkout: Path) -> None:
    var_dir = checkout / "var"
    first_run = start()
    first = environment_of_web(first_run)
    assert first["DATABASE_URL"] == f"sqlite:///{var_dir}/driving.db"
    assert first["CELERYBEAT_SCHEDULE_FILENAME"] == f"{var_dir}/celerybeat-schedule"
    assert first["VAR_DIR"] == str(var_dir)
    assert len(first["JWT_SECRET_KEY"]) >= 32
    first_run.send(signal.SIGTERM)
    assert first_run.finish() == 0
    second = environment_of_web(start())
    assert second["JWT_SECRET_KEY"] == first["JWT_SECRET_KEY"]
    assert second["REDIS_URL"].rpartition(":")[0] == first["REDIS_URL"].rpartition(":")[0]


def test_nobody_else_may_read_what_it_keeps(start: Start, checkout: Path) -> None:
    environment_of_web(start())
    paths = [checkout / "var", *(checkout / "var").rglob("*")]
    assert {path.name for path in paths} >= {"var", "jwt.key", "valkey.key", "server.log"}
    assert {path.name: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in paths if path.stat().st_mode & 0o077} == {}


def test_what_is_given_is_used(start: Start) -> None:
    given = {
        "DATABASE_URL": "postgresql://alice@127.0.0.1:1/driving",
        "JWT_SECRET_KEY": "given-0123456789-0123456789-0123456789",
        "CELERYBEAT_SCHEDULE_FILENAME": "/nowhere/schedule",
    }
    told = environment_of_web(start(**given))
    assert {name: told[name] for name in given} == given


def test_a_redis_that_is_given_means_none_is_started(start: Start, checkout: Path) -> None:
    with Valkey() as given:
        run = start(REDIS_URL=given.url)
        assert environment_of_web(run)["REDIS_URL"] == given.url
        assert [process.name() for process in run.family() if "valkey" in process.name()] == []
    assert not (checkout / "var" / "valkey.key").exists()


def test_production_gets_no_secret_that_nobody_chose(start: Start, checkout: Path) -> None:
    assert "JWT_SECRET_KEY" not in environment_of_web(start(APP_ENV="production"))
    assert not (checkout / "var" / "jwt.key").exists()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_it_ends_however_it_ends(start: Start, signum: int) -> None:
    run = start()
    run.read_until("Ready at")
    family = run.family()
    assert "valkey-server" in {process.name() for process in family}
    run.send(signum)
    run.finish()
    assert survivors(family) == []


def test_it_ends_with_its_valkey(start: Start) -> None:
    run = start()
    run.read_until("Ready at")
    [valkey] = [process for process in run.family() if process.name() == "valkey-server"]
    valkey.kill()
    assert run.finish() == 128 + signal.SIGKILL
    assert "valkey ended with code 137" in run.output


def test_two_copies_with_folders_of_their_own_run_side_by_side(start: Start) -> None:
    one, other = environment_of_web(start()), environment_of_web(start(VAR_DIR="var2"))
    for name in ("PORT", "REDIS_URL", "DATABASE_URL", "JWT_SECRET_KEY"):
        assert one[name] != other[name]


def test_a_second_copy_in_the_same_folder_is_refused_in_one_line(start: Start, checkout: Path) -> None:
    first = start()
    first.read_until("Ready at")
    second = start()
    assert second.finish() == 1
    assert second.lines == [
        f"bin/run: another copy runs in {checkout}/var; set VAR_DIR and PORT to run a second one",
    ]


def test_a_folder_is_free_again_at_once_after_a_kill_9(start: Start) -> None:
    first = start()
    first.read_until("Ready at")
    first.send(signal.SIGKILL)
    first.finish()
    start().read_until("Ready at")


def test_a_port_in_use_is_told_in_one_line(start: Start) -> None:
    first = start()
    port = environment_of_web(first)["PORT"]
    second = start(PORT=port, VAR_DIR="var2")
    assert second.finish() == 1
    assert len(second.lines) == 1
    assert f"port {port}" in second.output
    assert "in use" in second.output


def test_a_malformed_port_is_told_in_one_line(start: Start) -> None:
    run = start(PORT="http")
    assert run.finish() == 1
    assert run.lines == ["bin/run: PORT must be a number from 1 to 65535, not 'http'"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_made_is_told_in_one_line(start: Start) -> None:
    run = start(VAR_DIR="/var-of-nobody")
    assert run.finish() == 1
    assert run.lines == ["bin/run: cannot use VAR_DIR /var-of-nobody: Permission denied"]


def test_a_folder_that_is_a_file_is_told_in_one_line(start: Start, checkout: Path) -> None:
    (checkout / "var").write_text("a file")
    run = start()
    assert run.finish() == 1
    assert run.lines == [f"bin/run: cannot use VAR_DIR {checkout}/var: File exists"]


def test_the_env_file_of_the_checkout_is_honoured(start: Start, checkout: Path) -> None:
    (checkout / ".env").write_text("SESSION_CACHE_TTL=120\nPORT=1\n")
    told = environment_of_web(start())
    assert told["SESSION_CACHE_TTL"] == "120"
    assert told["PORT"] != "1"
