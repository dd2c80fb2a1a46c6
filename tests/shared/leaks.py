"""Where passwords, tokens and hashes must not be: Redis, the log, and every column but `users.password_hash`."""

import re
from typing import Any

import psycopg
import redis
from psycopg import sql

from testbed.people import PASSWORD

SECRETS = re.compile(
    rf"{re.escape(PASSWORD)}"  # with which every password of these tests begins
    r"|eyJ[\w-]{8,}\.eyJ[\w-]{8,}"  # a token: the first bytes of a header and a payload, which are JSON
    r"|\$argon2",
    re.ASCII | re.IGNORECASE,
)
HASHES_BELONG_IN = ("users", "password_hash")


def leaks_of_log(text: str) -> list[str]:
    """Return the lines of a log that hold a secret."""
    return [f"log: {line[:300]}" for line in text.splitlines() if SECRETS.search(line)]


def leaks_of_redis(url: str) -> list[str]:
    """Return the keys of a server, in all its databases, that hold a secret in their name or value."""
    found = []
    for number in range(16):
        with redis.Redis.from_url(url.rpartition("/")[0] + f"/{number}") as client:
            if number == 0 or client.dbsize():
                found += [f"redis: {key!r}" for key in client.scan_iter(count=1000) if _leaks(client, key)]
    return found


def _leaks(client: redis.Redis, key: Any) -> bool:
    readers: dict[bytes, Any] = {
        b"string": client.get,
        b"list": lambda name: client.lrange(name, 0, -1),
        b"set": client.smembers,
        b"hash": client.hgetall,
        b"zset": lambda name: client.zrange(name, 0, -1),
    }
    kind: Any = client.type(key)
    if kind == b"none":
        return False
    return _holds_a_secret(key) or _holds_a_secret(readers[kind](key))


def leaks_of_database(connection: psycopg.Connection[Any]) -> list[str]:
    """Return the columns of all tables that hold a secret, but for the password hashes where they belong."""
    tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    found = []
    for (table,) in tables:
        cursor = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
        names = [column.name for column in cursor.description or ()]
        columns = zip(names, zip(*cursor.fetchall(), strict=True), strict=False)
        found += [
            f"database: {table}.{name}"
            for name, values in columns
            if (table, name) != HASHES_BELONG_IN and _holds_a_secret(values)
        ]
    return found


def _holds_a_secret(value: Any) -> bool:
    return SECRETS.search(repr(value)) is not None
