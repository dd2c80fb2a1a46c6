"""Servers of our own, and what can happen to them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import redis
from flask import Flask

from embedded.postgres import Postgres
from embedded.valkey import Valkey
from testbed.applications import believing, closed
from tests.conftest import SECRET
from webapp import create_app
from webapp.cache import redis as redis_module
from webapp.config import Settings


@dataclass
class Machines:
    """A Redis and a database that a test may break."""

    valkey: Valkey
    postgres: Postgres
    database_url: str

    def settings(self, **changed: object) -> Settings:
        """Return the settings of a process; only the numbers of registrations and logins are not production's."""
        settings: dict[str, object] = {
            "database_url": self.database_url,
            "redis_url": self.valkey.url,
            "jwt_secret_key": SECRET,
            "password_hash_memory_kib": 8,
            "cache_probe_interval_ms": 0,
            "ratelimit_register_per_address": "10000/minute",
            "ratelimit_login_per_address": "10000/minute",
            "log_level": "DEBUG",
        }
        return Settings(**{**settings, **changed})

    @contextmanager
    def process(self, **changed: object) -> Iterator[Flask]:
        """Lend an application that stands on these machines, and waits as long for Redis as production does."""
        patience = redis_module.COMMAND_TIMEOUT_S
        redis_module.COMMAND_TIMEOUT_S = 0.1
        try:
            app = believing(create_app(self.settings(**changed)))
        finally:
            redis_module.COMMAND_TIMEOUT_S = patience
        try:
            yield app
        finally:
            closed(app)

    def client(self) -> redis.Redis:
        """Make a client that waits for the server as long as it takes."""
        return redis.Redis.from_url(self.valkey.url)


Act = Callable[[Machines], None]


def nothing(machines: Machines) -> None:
    pass


def stop_redis(machines: Machines) -> None:
    machines.valkey.kill()


def start_redis(machines: Machines) -> None:
    machines.valkey.start()


def hang_redis(machines: Machines) -> None:
    machines.valkey.pause()


def wake_redis(machines: Machines) -> None:
    machines.valkey.resume()


def flush_redis(machines: Machines) -> None:
    with machines.client() as client:
        client.flushall()


def fill_redis(machines: Machines) -> None:
    with machines.client() as client:
        client.config_set("maxmemory", 1)


def empty_redis(machines: Machines) -> None:
    with machines.client() as client:
        client.config_set("maxmemory", 0)


def refuse_writes(machines: Machines) -> None:
    with machines.client() as client:
        client.config_set("min-replicas-to-write", 1)


def take_writes(machines: Machines) -> None:
    with machines.client() as client:
        client.config_set("min-replicas-to-write", 0)


def write_garbage(machines: Machines) -> None:
    """Overwrite what there is: bytes that are no text, text that is no entry, and other types, in turn."""
    with machines.client() as client:
        for n, key in enumerate(sorted(client.keys("*"))):
            client.delete(key)
            if n % 3 == 2:
                client.lpush(key, "not a string")
            else:
                client.set(key, (b"\xff\xfe\x00", b"v|garbage")[n % 3])


REDIS_TROUBLES: dict[str, tuple[Act, Act]] = {
    "Redis up": (nothing, nothing),
    "Redis down": (stop_redis, start_redis),
    "Redis hung": (hang_redis, wake_redis),
    "Redis flushed": (flush_redis, nothing),
    "Redis full": (fill_redis, empty_redis),
    "Redis refuses writes": (refuse_writes, take_writes),
    "Redis full of garbage": (write_garbage, flush_redis),
}
KEEPS_ITS_VALUES = {"Redis up", "Redis full", "Redis refuses writes"}


def stop_database(machines: Machines) -> None:
    machines.postgres.stop()


def start_database(machines: Machines) -> None:
    machines.postgres.start()


DATABASE_TROUBLES: dict[str, tuple[Act, Act]] = {
    "database up": (nothing, nothing),
    "database down": (stop_database, start_database),
}
