"""The command: python -m testbed.checker."""

import argparse
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from testbed.checker import faults
from testbed.checker.findings import VIOLATIONS, Findings
from testbed.checker.run import Options, run
from testbed.checker.weakened import WEAKENED
from testbed.fleet import PLAIN_WSGI

COUNTS = (
    "reads",
    "hits",
    "hits_without_database",
    "writes",
    "repeats",
    "logouts",
    "replays",
    "read_p50_ms",
    "read_p99_ms",
)


def main(arguments: list[str] | None = None) -> int:
    """Play a run, print what it found, and return 1 if a promise was broken."""
    given = _parser().parse_args(arguments)
    options = Options(
        seconds=given.seconds,
        faults=_faults(given.faults),
        seed=given.seed,
        drivers=given.drivers,
        sessions=given.sessions,
        weakened=given.weaken,
        web=PLAIN_WSGI if given.plain_wsgi else None,
        ends_at_a_violation=given.until_a_violation,
    )
    load_before = os.getloadavg()
    findings = run(options)
    report = {
        "options": {**vars(options), "faults": sorted(options.faults)},
        "machine": {
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
            "load_average_before": load_before,
            "load_average_after": os.getloadavg(),
        },
        **findings.report(),
    }
    if given.report:
        given.report.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    _print(report, findings)
    return 1 if any(findings.violations.values()) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.coherence", description="Hold every read against the truth.")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the load goes on (60)")
    parser.add_argument(
        "--faults", default="all", help=f"all, none, or some of them, with commas: {', '.join(sorted(faults.ALL))}"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the choices; the machine's timing has no seed (1)")
    parser.add_argument("--drivers", type=int, default=4)
    parser.add_argument("--sessions", type=int, default=3, help="sessions of each driver (3)")
    parser.add_argument("--report", type=Path, help="a file for everything as JSON, evidence included")
    parser.add_argument("--weaken", choices=sorted(WEAKENED), help="take a part of the protocol away")
    parser.add_argument("--plain-wsgi", action="store_true", help="web processes of Flask alone, without the door")
    parser.add_argument("--until-a-violation", action="store_true", help="end soon after the first violation")
    return parser


def _faults(text: str) -> frozenset[str]:
    if text in ("all", "none"):
        return faults.ALL if text == "all" else frozenset()
    chosen = frozenset(text.split(","))
    if unknown := chosen - faults.ALL:
        sys.exit(f"bench.coherence: no such fault: {', '.join(sorted(unknown))}")
    return chosen


def _print(report: dict[str, Any], findings: Findings) -> None:
    for item in report["evidence"]:
        print(f"\n{item['violation'].upper()}: {item['what']}")
        for event in item["events"]:
            print(f"    {event}")
    print()
    for name in COUNTS:
        print(f"{name:22} {report[name]:>10}")
    for title in ("cache", "faults", "errors"):
        for name, number in report[title].items():
            print(f"{title[:-1] if title != 'cache' else title}: {name:30} {number:>10}")
    for kind, number in findings.violations.items():
        print(f"{kind:22} {number:>10}   {VIOLATIONS[kind]}")
    print(f"{'longest staleness, ms':22} {report['longest_staleness_ms']:>10}")
