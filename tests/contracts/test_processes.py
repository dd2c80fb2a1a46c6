"""The Procfile: what a process manager starts."""

import os
import re
import runpy

from gunicorn.config import make_settings

from tests.contracts.source_tree import CHECKOUT

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


def test_every_line_begins_with_exec() -> None:
    # The shell that a runner starts would swallow TERM, and the process would be killed instead of stopped.
    assert [name for name, command in processes().items() if not command.startswith("exec ")] == []


def test_the_peers_of_the_benchmarks_have_our_settings_and_none_of_our_hooks() -> None:
    umask = os.umask(0o077)
    try:
        ours = runpy.run_path(str(CHECKOUT / "gunicorn.conf.py"))
        theirs = runpy.run_path(str(CHECKOUT / "bench" / "peers" / "gunicorn.conf.py"))
    finally:
        os.umask(umask)  # The settings change it.
    assert theirs["reuse_port"] == ours["reuse_port"]
    hooks = {name for name in ours if callable(ours[name]) and name in KNOWN_SETTINGS}
    assert hooks == {"post_worker_init"}
    assert not hooks & theirs.keys()
