"""The application on each of the two databases, and a search for secrets after each test."""

from collections.abc import Iterator
from pathlib import Path

import flask_migrate
import pytest
from flask import Flask

from embedded.valkey import Valkey
from tests.conftest import SECRET
from tests.shared.attacked import make_app, nothing_leaks, patience, settings
from webapp import create_app
from webapp.cache.redis import close_redis
from webapp.config import Settings
from webapp.database import db

__all__ = ["make_app", "nothing_leaks", "patience", "settings"]


@pytest.fixture(scope="package")
def way_in() -> str:
    """Have the clients call Flask alone: what is tested here is the same behind the door."""
    return "flask"


@pytest.fixture
def app_on_sqlite(tmp_path: Path, valkey: Valkey) -> Iterator[Flask]:
    """The application on an empty SQLite file."""
    settings = Settings(
        database_url=f"sqlite:///{tmp_path / 'driving.db'}",
        redis_url=valkey.url,
        jwt_secret_key=SECRET,
        password_hash_memory_kib=8,
        cache_probe_interval_ms=0,
        log_level="WARNING",
    )
    app = create_app(settings)
    with app.app_context():
        flask_migrate.upgrade()
    yield app
    close_redis(app)
    with app.app_context():
        db.engine.dispose()


@pytest.fixture(params=["PostgreSQL", "SQLite"])
def either_app(request: pytest.FixtureRequest) -> Flask:
    """The application on either database."""
    app: Flask = request.getfixturevalue("app" if request.param == "PostgreSQL" else "app_on_sqlite")
    return app
