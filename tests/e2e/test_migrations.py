"""The migrations run up and down on both databases, and end where the models are."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import flask_migrate
import pytest
import sqlalchemy
from flask import Flask

from embedded.postgres import Postgres
from tests.conftest import SECRET
from webapp import create_app
from webapp.cache.redis import close_redis
from webapp.config import Settings
from webapp.database import db


@pytest.fixture(params=["PostgreSQL", "SQLite"])
def app_on_an_empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    if request.param == "PostgreSQL":
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.create_database(f"migrations_{uuid4().hex}")
    app = create_app(Settings(database_url=url, jwt_secret_key=SECRET, cache_probe_interval_ms=0, log_level="WARNING"))
    with app.app_context():
        yield app
        db.engine.dispose()
    close_redis(app)


def tables() -> set[str]:
    return set(sqlalchemy.inspect(db.engine).get_table_names()) - {"alembic_version"}


def test_migrations_run_up_and_down_and_up_again(app_on_an_empty_database: Flask) -> None:
    flask_migrate.upgrade()
    assert tables() == set(db.metadata.tables)
    flask_migrate.downgrade(revision="base")
    assert tables() == set()
    flask_migrate.upgrade()
    assert tables() == set(db.metadata.tables)


def test_the_models_hold_nothing_that_no_migration_makes(app_on_an_empty_database: Flask) -> None:
    flask_migrate.upgrade()
    flask_migrate.check()
