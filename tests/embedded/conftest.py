"""Start code and supervisors in processes of their own."""

import json
import os
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.embedded.family import Run


@pytest.fixture
def runs() -> Iterator[Callable[..., Run]]:
    """Start Python code in processes that are ended with the test."""
    started: list[Run] = []

    def start(code: str, *arguments: str, **environment: str) -> Run:
        started.append(Run([sys.executable, "-c", code, *arguments], {**os.environ, **environment}))
        return started[-1]

    yield start
    for run in started:
        run.close()


@pytest.fixture
def supervise(runs: Callable[..., Run]) -> Callable[..., Run]:
    """Supervise shell commands, given as keywords in the order of their start; the one named `last` is stopped last."""
    code = """
import json, subprocess, sys
from embedded.child import Child
from embedded.supervisor import Stopped, Supervisor
try:
    with Supervisor() as supervisor:
        for name, command in json.loads(sys.argv[1]).items():
            if name == "last":
                supervisor.adopt(name, Child(["/bin/sh", "-c", command], stdout=sys.stdout.buffer))
            elif name == "first":
                supervisor.run(name, ["/bin/sh", "-c", command])
            else:
                supervisor.start(name, ["/bin/sh", "-c", command])
        supervisor.wait()
except Stopped as stopped:
    sys.exit(stopped.exit_code)
"""
    return lambda **commands: runs(code, json.dumps(commands))
