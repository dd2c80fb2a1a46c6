"""The Procfile: what a process manager starts."""

import os
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
from gunicorn.config import make_settings

from tests.contracts.source_tree import CHECKOUT, imports

KNOWN_SETTINGS = make_settings()
LINE = re.compile(r"^(\w+): (.+)$")


def processes() -> dict[str, str]:
    matches = [LINE.match(line) for line in (CHECKOUT / "Procfile").read_text().splitlines()]
    assert all(matches)
    return {match[1]: match[2] for match in matches if match}


def test_the_processes_are_those_of_the_architecture() -> None:
    assert set(processes()) == {"release", "web", "worker", "beat"}


def test_the_web_process_comes_first() -> None:
    # A Procfile runner on one machine hands out ports from the first line on: PORT, PORT + 100, and so forth.
    assert next(iter(processes())) == "web"


def test_the_web_process_serves_the_door() -> None:
    assert processes()["web"] == "exec gunicorn asgi:app"


def test_every_line_begins_with_exec() -> None:
    # The shell that a runner starts would swallow TERM, and the process would be killed instead of stopped.
    assert [name for name, command in processes().items() if not command.startswith("exec ")] == []


def gunicorn_settings(path: Path) -> dict[str, Any]:
    """Return what a configuration file says to gunicorn."""
    umask = os.umask(0o077)
    try:
        return {name: value for name, value in runpy.run_path(str(path)).items() if name in KNOWN_SETTINGS}
    finally:
        os.umask(umask)  # The settings change it.


def test_the_peers_of_the_benchmarks_have_our_settings_but_the_class_of_their_workers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"HOST": "127.0.0.1", "PORT": "8001", "WEB_CONCURRENCY": "3", "WEB_THREADS": "5"}.items():
        monkeypatch.setenv(name, value)
    ours = gunicorn_settings(CHECKOUT / "gunicorn.conf.py")
    theirs = gunicorn_settings(CHECKOUT / "bench" / "peers" / "gunicorn.conf.py")
    assert {name for name in theirs if theirs[name] != ours.get(name)} == {"worker_class", "threads"}
    of_an_event_loop = {"asgi_loop", "asgi_lifespan", "asgi_disconnect_grace_period", "http_parser"}
    limits = {"limit_request_line", "limit_request_field_size"}
    hooks = {name for name in ours if callable(ours[name])}
    assert ours.keys() - theirs.keys() == of_an_event_loop | limits | hooks


def test_the_peers_need_none_of_our_packages() -> None:
    path = CHECKOUT / "bench" / "peers" / "gunicorn.conf.py"
    assert {name.split(".")[0] for name in imports(path)} <= set(sys.stdlib_module_names)


def test_gunicorn_reads_its_settings_from_wherever_it_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "8123")
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    link = tmp_path / "gunicorn.conf.py"
    link.symlink_to(CHECKOUT / "gunicorn.conf.py")
    assert gunicorn_settings(link)["bind"].endswith(":8123")
