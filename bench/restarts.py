"""Call all the time through restarts of the web processes, and count what fails.

    python -m bench.restarts [--calls 10000]

gunicorn with two workers; 8 clients, half of them over kept-alive connections and half over a fresh one for each call.
For each way of restarting, so many calls of a cached session and so many of a list that Flask answers: reloads (HUP), a
TERM to one worker after the other, and workers that end by themselves after a number of requests.
"""

import argparse
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from embedded.valkey import Valkey
from testbed.api import Api
from testbed.callers import Callers
from testbed.driver import Driver
from testbed.fleet import Fleet

PAUSE_S = 6.0
"""From one restart to the next, in s: a worker takes about as long to end."""

WORKERS_SEEN = 6
"""Calls go on until so many workers have come and gone."""

PATIENCE_S = 600.0


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(prog="python -m bench.restarts")
    parser.add_argument("--calls", type=int, default=10_000, help="calls for each row (10000)")
    options = parser.parse_args()
    print("| restarted by | asked for | calls | workers seen | failed | slowest ms |\n|---|---|---|---|---|---|")
    for name, restart in WAYS.items():
        for path in ("/sessions/{}", "/sessions?status=active"):
            print(row(name, path, restart, options.calls), flush=True)


def row(name: str, path: str, restart: Callable[[Fleet], None], calls: int) -> str:
    """Call through restarts of one kind."""
    recycled = {"GUNICORN_CMD_ARGS": "--max-requests 500 --max-requests-jitter 10"} if restart is wait else {}
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        Valkey() as valkey,
        Fleet(Path(folder), {"REDIS_URL": valkey.url, **recycled}) as fleet,
    ):
        fleet.run("release")
        fleet.start("web")
        with Api(fleet.port) as api:
            driver = Driver.registered(api)
            path = path.format(driver.starts_a_drive()["id"])
        seen, ended = set[int](), threading.Event()
        with Callers(fleet.port, f"/api/v1{path}", driver.tokens["access_token"]) as callers:
            restarting = threading.Thread(target=keep_restarting, args=(fleet, restart, seen, ended))
            restarting.start()
            try:
                callers.wait_for(calls, PATIENCE_S)
                fleet.wait(lambda: len(seen) >= WORKERS_SEEN, PATIENCE_S, "web", "have been restarted often enough")
            finally:
                ended.set()
                restarting.join()
    failed = len(callers.failures) + sum(n for status, n in callers.statuses.items() if status != 200)
    what = path if "?" in path else "/sessions/{id}"
    return f"| {name} | {what} | {callers.calls} | {len(seen)} | {failed} | {callers.slowest_s * 1000:.0f} |"


def keep_restarting(fleet: Fleet, restart: Callable[[Fleet], None], seen: set[int], ended: threading.Event) -> None:
    """Restart again and again, and note which workers there are."""
    due = time.monotonic() + 1
    while not ended.wait(0.1):
        seen |= {process.pid for process in fleet.children("web")}
        if time.monotonic() > due:
            restart(fleet)
            due = time.monotonic() + PAUSE_S


def reload(fleet: Fleet) -> None:
    """Have the master start new workers and end the old ones."""
    os.kill(fleet.pid("web"), signal.SIGHUP)


def end_the_oldest(fleet: Fleet) -> None:
    """Have one worker end."""
    oldest = min(fleet.children("web"), key=lambda process: process.create_time())
    os.kill(oldest.pid, signal.SIGTERM)


def wait(_fleet: Fleet) -> None:
    """Do nothing: workers end by themselves."""


WAYS: dict[str, Callable[[Fleet], None]] = {
    "HUP": reload,
    "TERM to a worker": end_the_oldest,
    "max_requests": wait,
}


if __name__ == "__main__":
    main()
