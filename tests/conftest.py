"""Real parts for the tests: one Valkey and one PostgreSQL for each test process, and an application that stands on
them.
"""

from collections.abc import Iterator

import flask_migrate
import pytest
from flask import Flask
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from embedded.postgres import Postgres
from embedded.valkey import Valkey
from testbed.people import Person
from webapp import create_app
from webapp.cache.redis import Cache, close_redis
from webapp.config import Settings
from webapp.database import db

REAL_PROCESSES = ("tests/e2e/", "tests/coherence/test_checker.py")
THE_MODEL = ("tests/coherence/test_model.py", "tests/coherence/test_scripts.py")
SECRET = "only-for-tests-0123456789-abcdefghijklmnop"


class ByFile(LoadFileScheduling):
    """Hands out the tests a file at a time, and those of real processes together: two fleets at once would take each
    other's processors away; and those of the model, which look at the same explorations.
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(THE_MODEL):
            return "the model"
        return "real processes" if nodeid.startswith(REAL_PROCESSES) else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """Let pytest-xdist hand out the tests this way."""
    return ByFile(config, log)


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def database_url(postgres: Postgres) -> str:
    """An empty database with all tables."""
    url = postgres.create_database("application")
    app = create_app(_settings(url, "redis://127.0.0.1:1/0"))
    with app.app_context():
        flask_migrate.upgrade()
        db.engine.dispose()
    return url


def _settings(database_url: str, redis_url: str, **overrides: object) -> Settings:
    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        jwt_secret_key=SECRET,
        password_hash_memory_kib=8,  # Cheap, in tests only.
        cache_probe_interval_ms=0,  # No watching thread: a test says itself when Redis is to be believed.
        log_level="WARNING",
        **overrides,  # type: ignore[arg-type]
    )


@pytest.fixture
def settings(database_url: str, valkey: Valkey) -> Settings:
    return _settings(database_url, valkey.url)


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    """The application, on an empty database and an empty Redis that it believes."""
    app = create_app(settings)
    with app.app_context():
        for table in reversed(db.metadata.sorted_tables):
            db.session.execute(table.delete(), execution_options={"changes_nothing_cached": True})
        db.session.commit()
        cache: Cache = app.extensions["cache"]
        cache.client.flushall()
        cache.trust.believes()
        cache.trust.settle()
        db.session.remove()
    yield app
    close_redis(app)
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def cache(app: Flask) -> Cache:
    cache: Cache = app.extensions["cache"]
    return cache


@pytest.fixture
def alice(app: Flask) -> Person:
    """A driver who has logged in."""
    return Person.registered(app, "alice@example.com")


@pytest.fixture
def bob(app: Flask) -> Person:
    """Another driver, who must see nothing of Alice's."""
    return Person.registered(app, "bob@example.com")
