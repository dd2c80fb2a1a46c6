"""The checker on real processes: the real protocol breaks no promise under any fault, and a weaker one is caught.

CHECKER_SECONDS says how long the real one is checked (40).
"""

import json
import os
from pathlib import Path

import pytest

from testbed.checker import faults
from testbed.checker.command import main
from testbed.checker.run import Options, run
from testbed.fleet import PLAIN_WSGI

SECONDS = float(os.environ.get("CHECKER_SECONDS") or 40)
START_AND_STOP_S = 120


@pytest.mark.timeout(SECONDS + START_AND_STOP_S)
def test_no_promise_is_broken_while_everything_else_is() -> None:
    findings = run(Options(seconds=SECONDS, faults=faults.ALL))
    assert findings.counts["reads"] > 0
    assert findings.counts["replays"] > 0
    assert not any(findings.violations.values()), json.dumps(findings.report(), indent=2)


@pytest.mark.timeout(SECONDS + START_AND_STOP_S)
def test_nor_is_one_broken_by_flask_alone_on_another_server() -> None:
    findings = run(Options(seconds=SECONDS / 2, faults=faults.ALL, web=PLAIN_WSGI))
    assert findings.counts["reads"] > 0
    assert not any(findings.violations.values()), json.dumps(findings.report(), indent=2)


@pytest.mark.timeout(60 + START_AND_STOP_S)
def test_a_key_that_is_deleted_after_the_commit_is_found_stale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    exit_code = main(
        "--weaken delete_after_commit --faults none --seconds 60 --drivers 1 --sessions 1 --until-a-violation "
        f"--report {report}".split()
    )
    assert exit_code == 1
    found = json.loads(report.read_text())
    assert sum(found["violations"].values()) > 0
    assert found["evidence"]
    assert "longest staleness" in capsys.readouterr().out


def test_a_fault_that_nobody_knows_is_refused() -> None:
    with pytest.raises(SystemExit, match="no such fault: earthquake"):
        main(["--faults", "flush,earthquake"])
