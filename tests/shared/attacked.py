"""Applications to attack. After each test, what it left in the log, in Redis and in the database is searched for
secrets.

Fixtures for the folders that are attacked: the conftest of each takes what it needs.
"""

import sys
from collections.abc import Callable, Iterator
from secrets import token_hex

import flask_migrate
import psycopg
import pytest
from flask import Flask

from embedded.postgres import Postgres
from embedded.valkey import Valkey
from testbed.applications import believing, closed
from testbed.people import Person
from tests.conftest import SECRET
from tests.shared.doors import way_in as way_in
from tests.shared.gate import Gate
from tests.shared.leaks import leaks_of_database, leaks_of_log, leaks_of_redis
from tests.shared.mallory import mallory as mallory  # A fixture, for the tests of bodies.
from webapp import create_app
from webapp.cache import redis as redis_module
from webapp.config import Settings
from webapp.logs import request_log

MakeApp = Callable[..., Flask]


@pytest.fixture(scope="package", autouse=True)
def patience() -> Iterator[None]:
    """Wait long enough for Redis that a busy machine is not taken for a server that hangs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redis_module, "COMMAND_TIMEOUT_S", 5.0)
        yield


@pytest.fixture
def settings(database_url: str, valkey: Valkey, way_in: str) -> Settings:
    """As the other tests', but the log says everything; for clients of Flask, and then of the door."""
    return Settings(
        database_url=database_url,
        redis_url=valkey.url,
        jwt_secret_key=SECRET,
        password_hash_memory_kib=8,
        cache_probe_interval_ms=0,
        log_level="DEBUG",
    )


@pytest.fixture
def make_app(app: Flask, settings: Settings) -> Iterator[MakeApp]:
    """Make further applications on the same database and Redis, as further processes are."""
    made: list[Flask] = []

    def make(**changed: object) -> Flask:
        made.append(believing(create_app(settings.model_copy(update=changed))))
        return made[-1]

    yield make
    for further in made:
        closed(further)


@pytest.fixture(scope="package")
def gate(postgres: Postgres, valkey: Valkey, way_in: str) -> Iterator[Gate]:
    """A drive of Carol's, hot in the cache of an application with a database of its own."""
    settings = Settings(
        database_url=postgres.create_database(f"lasting_{token_hex(4)}"),
        redis_url=valkey.url,
        jwt_secret_key=SECRET,
        password_hash_memory_kib=8,
        cache_probe_interval_ms=0,
        ratelimit_enabled=False,
        log_level="DEBUG",
    )
    app = create_app(settings)
    with app.app_context():
        flask_migrate.upgrade()
    carol = Person.registered(believing(app), "carol@example.com")
    drive = carol.starts_a_drive(name="Carol's")
    yield Gate(app, carol, Person.registered(app, "mallory@example.com"), drive["id"])
    closed(app)
    with psycopg.connect(settings.database_url.replace("+psycopg", "")) as connection:
        assert leaks_of_database(connection) == []


@pytest.fixture(autouse=True)
def nothing_leaks(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Search what a test left behind for passwords, tokens and hashes."""
    yield
    request_log.flush()
    log = capsys.readouterr().err
    sys.stderr.write(log)  # For pytest to show when the test has failed.
    leaks = leaks_of_log(log)
    if "app" in request.fixturenames:
        valkey: Valkey = request.getfixturevalue("valkey")
        leaks += leaks_of_redis(valkey.url)
        with psycopg.connect(request.getfixturevalue("database_url").replace("+psycopg", "")) as connection:
            leaks += leaks_of_database(connection)
    assert leaks == []
