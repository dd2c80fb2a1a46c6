"""What the protocol cannot promise, produced on purpose: a writer is cut off from Redis while readers are not.

One application writes with a Redis address at which nobody answers; another one, which believes its Redis, reads. The
reconciler runs every `--interval` seconds, as beat would have it. Prints how long an old value was served after each
write was acknowledged, against the bound: one interval and the time of one run.

    python -m bench.small_print --writes 20 --interval 5
"""

import argparse
import random
import threading
import time
from typing import Any

import flask_migrate
from flask import Flask

from embedded.postgres import Postgres
from embedded.valkey import Valkey
from tests.people import Person
from webapp import create_app
from webapp.cache.reconcile import reconcile
from webapp.config import Settings

SECRET = "only-for-measuring-0123456789-abcdefgh"
NOBODY = "redis://127.0.0.1:1/0"


def application(database_url: str, redis_url: str) -> Flask:
    """Make an application of its own, as a process of its own has."""
    return create_app(
        Settings(database_url=database_url, redis_url=redis_url, jwt_secret_key=SECRET, log_level="ERROR")
    )


def staleness_of_a_write(driver: Person, cut_off: Person, path: str, name: str) -> float:
    """Change a drive behind Redis's back, and return for how long the reader is served the old name, in s."""
    assert cut_off.patch(path, json={"name": name}).status_code == 200
    acknowledged = time.monotonic()
    while driver.get(path).json["name"] != name:
        time.sleep(0.005)
    return time.monotonic() - acknowledged


def measure(reader: Flask, writer: Flask, writes: int, interval_s: float) -> list[float]:
    """Return the staleness after each of `writes` writes, at random times between two runs of the reconciler."""
    driver = Person.registered(reader, "alice@example.com")
    cut_off = Person(writer.test_client(), driver.email, driver.id, driver.tokens)
    path = f"/sessions/{driver.starts_a_drive()['id']}"
    over = threading.Event()

    def run_the_reconciler() -> None:
        while not over.wait(interval_s):
            with reader.app_context():
                reconcile()

    beat = threading.Thread(target=run_the_reconciler)
    beat.start()
    try:
        found = []
        for n in range(writes):
            while driver.get(path).headers["Cache-Status"] != "session-cache; hit":
                time.sleep(0.01)
            time.sleep(random.uniform(0, interval_s))
            found.append(staleness_of_a_write(driver, cut_off, path, f"write {n}"))
        return found
    finally:
        over.set()
        beat.join()


def main(argv: list[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.small_print", description=__doc__)
    parser.add_argument("--writes", type=int, default=20)
    parser.add_argument("--interval", type=float, default=5.0, help="RECONCILE_INTERVAL_S")
    arguments: Any = parser.parse_args(argv)
    with Postgres() as postgres, Valkey() as valkey:
        url = postgres.create_database("small_print")
        # The reader last: applications of one process share the producer of jobs, which is to reach its broker.
        writer, reader = application(url, NOBODY), application(url, valkey.url)
        with reader.app_context():
            flask_migrate.upgrade()
        found = sorted(measure(reader, writer, arguments.writes, arguments.interval))
        print(f"writes without Redis  {len(found)}")
        print(f"median staleness      {found[len(found) // 2]:.2f} s")
        print(f"longest staleness     {found[-1]:.2f} s   (the reconciler runs every {arguments.interval:g} s)")


if __name__ == "__main__":
    main()
