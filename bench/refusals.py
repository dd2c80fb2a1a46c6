"""Have Redis refuse writes for a moment while one process writes, and read at once in another one.

    python -m bench.refusals --rounds 125

Plays the rounds of testbed.refusals, with each cause. Prints how many answers were old or let somebody in, and how long
the writes took.
"""

import argparse
import random
import statistics
from collections import Counter

from testbed.refusals import CAUSES, pair


def main(argv: list[str] | None = None) -> int:
    """Play, print, and return 1 if an answer was wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.refusals", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=125, help="of each cause (125)")
    parser.add_argument("--causes", nargs="+", choices=CAUSES, default=list(CAUSES))
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(argv)
    wrong = 0
    with pair() as playing:
        print("| Redis | writes | reads elsewhere | of them hits | old | dead tokens let in | write p50 ms | max ms |")
        print("|---|---|---|---|---|---|---|---|", flush=True)
        for name in given.causes:
            playing.found, playing.write_s = Counter(), []
            for number in range(given.rounds):
                playing.play(CAUSES[name], random.Random(f"{given.seed} {name} {number}"), number)
            found, milliseconds = playing.found, [1000 * s for s in playing.write_s]
            print(
                f"| {name} | {len(milliseconds)} | {found['reads']} | {found['hits']} | {found['stale']} "
                f"| {found['revived']} | {statistics.median(milliseconds):.0f} | {max(milliseconds):.0f} |",
                flush=True,
            )
            wrong += found["stale"] + found["revived"]
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
