"""Explore belief and debts, or tell the shortest run that breaks a weaker rule.

    python -m tests.coherence.models --rules "debts deleted by key"
    python -m tests.coherence.models --writers 2 --losses 1 --crashes 1
    python -m tests.coherence.models --table

With two writers and a crash there are hundreds of thousands of states, and each takes about a kilobyte.
"""

import argparse
import sys

from tests.coherence.models.belief import Belief
from tests.coherence.models.belief_world import Bounds
from tests.coherence.models.exploring import BACKWARDS, FORGOTTEN, STALE, Explored, explored
from tests.coherence.models.rules import ALL, NEVER_STALE, found


def row(name: str) -> str:
    """Return what was found as a row of the table in the decision's page: verdict, states visited, steps to it."""
    of_name = found(name)
    kind = FORGOTTEN if name in NEVER_STALE else of_name.verdict
    steps = str(len(of_name.steps(kind))) if kind in of_name.wrong else "–"
    return f"| {name} | {kind} | {len(of_name.parents):,} | {steps} |"


def tell(name: str, of_name: Explored) -> int:
    """Print the worst run of what was explored; return 1 if a read can be stale."""
    print(f"{name}: {of_name.verdict}; {len(of_name.parents):,} states visited")
    worst = next((kind for kind in (STALE, FORGOTTEN, BACKWARDS) if kind in of_name.wrong), None)
    if worst is not None:
        print(of_name.story(worst))
    return int(worst == STALE)


def main(arguments: list[str] | None = None) -> int:
    """Explore what was asked for; exit with 1 if a read can be stale."""
    parser = argparse.ArgumentParser(prog="python -m tests.coherence.models", description=__doc__.splitlines()[0])
    parser.add_argument("--rules", choices=ALL, metavar="NAME", help=f"one of: {'; '.join(ALL)}")
    parser.add_argument("--table", action="store_true", help="explore all of them, and print the table")
    for name in ("writers", "processes", "losses", "crashes", "late"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Bounds(), name))
    options = parser.parse_args(arguments)
    if options.table:
        for name in ALL:
            print(row(name), flush=True)
        return 0
    if options.rules:
        return tell(options.rules, found(options.rules))
    bounds = Bounds(options.writers, options.processes, options.losses, options.crashes, options.late)
    return tell("the rules as they are kept", explored(Belief(bounds)))


if __name__ == "__main__":
    sys.exit(main())
