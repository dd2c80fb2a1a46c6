"""What the protocol cannot promise, produced on purpose: for how long an old value is served after a write.

1. *a demoted primary*: a primary is demoted and keeps the reader's connections; the writer is connected to the server
   that was promoted. The reader's next probe finds out.
2. *no database and no Redis*: the reader cannot read the database and goes on by its probes of Redis; the writer, which
   reaches the database, is refused by Redis. The reader's database comes back at once after the acknowledgement.

    python -m bench.small_print --writes 20
"""

import argparse
import time
from collections.abc import Callable
from contextlib import ExitStack
from unittest.mock import patch

import flask_migrate
import redis
from flask import Flask
from sqlalchemy.exc import OperationalError

from embedded.postgres import Postgres
from embedded.valkey import Valkey
from testbed.address import Address
from testbed.applications import believing, closed
from testbed.people import Person
from testbed.troubles import UNREACHABLE_REDIS
from webapp import create_app
from webapp.cache.redis import Cache
from webapp.config import Settings

SECRET = "only-for-measuring-0123456789-abcdefgh"
PASSWORD = "the same for both"
HIT = "session-cache; hit"
POLL_S = 0.002


def application(database_url: str, redis_url: str, stack: ExitStack) -> Flask:
    """Make an application of its own, as a process of its own has."""
    settings = Settings(database_url=database_url, redis_url=redis_url, jwt_secret_key=SECRET, log_level="ERROR")
    app = create_app(settings)
    stack.callback(closed, app)
    return app


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    while not condition():
        time.sleep(POLL_S)


def staleness_of_a_write(reader: Person, writer: Person, path: str, name: str, then: Callable[[], None]) -> float:
    """Change a drive behind the reader's back, and return for how long the old name is served, in s."""
    assert writer.patch(path, json={"name": name}).status_code == 200
    acknowledged = time.monotonic()
    then()
    wait_for(lambda: reader.get(path).json["name"] == name)
    return time.monotonic() - acknowledged


def command(server: Valkey, *words: str) -> None:
    """Send a command to a server itself."""
    with redis.Redis.from_url(server.url) as client:
        client.execute_command(*words)


def a_demoted_primary(database_url: str, first: Valkey, second: Valkey, stack: ExitStack) -> float:
    """Measure once how long a reader stays with a primary that was demoted."""
    address = stack.enter_context(Address(first))
    command(first, "REPLICAOF", "NO", "ONE")
    command(second, "REPLICAOF", "127.0.0.1", str(first.port))
    reading = believing(application(database_url, address.url, stack))
    reader = Person.registered(reading, f"{time.monotonic_ns()}@example.com")
    path = f"/sessions/{reader.starts_a_drive()['id']}"
    wait_for(lambda: reader.get(path).headers["Cache-Status"] == HIT)
    command(second, "REPLICAOF", "NO", "ONE")
    writer = Person(application(database_url, second.url, stack).test_client(), reader.email, reader.id, reader.tokens)
    writer.get(path)
    command(first, "REPLICAOF", "127.0.0.1", "1")
    address.lead_to(second, is_closing=False)
    return staleness_of_a_write(reader, writer, path, "new", then=lambda: None)


def no_database_and_no_redis(database_url: str, valkey: Valkey, stack: ExitStack) -> float:
    """Measure once how long a reader that could not read the database stays with what it believed."""
    reading = believing(application(database_url, valkey.url, stack))
    cache: Cache = reading.extensions["cache"]
    reader = Person.registered(reading, f"{time.monotonic_ns()}@example.com")
    path = f"/sessions/{reader.starts_a_drive()['id']}"
    wait_for(lambda: reader.get(path).headers["Cache-Status"] == HIT)
    look = patch.object(cache.debts, "look", side_effect=OperationalError("SELECT", {}, Exception("no route to host")))
    look.start()
    wait_for(lambda: cache.trust._database_is_away)
    writer = Person(
        application(database_url, UNREACHABLE_REDIS, stack).test_client(), reader.email, reader.id, reader.tokens
    )
    return staleness_of_a_write(reader, writer, path, "new", then=look.stop)


def main(argv: list[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.small_print")
    parser.add_argument("--writes", type=int, default=20)
    writes: int = parser.parse_args(argv).writes
    with (
        Postgres(config={"max_connections": "60"}) as postgres,
        Valkey(password=PASSWORD) as first,
        Valkey(password=PASSWORD, config={"masterauth": PASSWORD}) as second,
    ):
        url = postgres.create_database("small_print")
        with ExitStack() as stack, application(url, first.url, stack).app_context():
            flask_migrate.upgrade()
        found: dict[str, list[float]] = {"a demoted primary": [], "no database and no Redis": []}
        for _ in range(writes):
            with ExitStack() as stack:
                found["a demoted primary"].append(a_demoted_primary(url, first, second, stack))
        command(first, "REPLICAOF", "NO", "ONE")
        for _ in range(writes):
            with ExitStack() as stack:
                found["no database and no Redis"].append(no_database_and_no_redis(url, first, stack))
    print("| | writes | old for, median | longest |")
    print("|---|---|---|---|")
    for name, seconds in found.items():
        ordered = sorted(seconds)
        print(f"| {name} | {len(ordered)} | {ordered[len(ordered) // 2]:.3f} s | {ordered[-1]:.3f} s |")


if __name__ == "__main__":
    main()
