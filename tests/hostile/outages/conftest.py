"""A Redis and a database of our own for each module, to be broken."""

from collections.abc import Iterator

import flask_migrate
import pytest

from embedded.postgres import Postgres
from embedded.valkey import Valkey
from testbed.applications import closed
from tests.hostile.outages.machines import Machines
from webapp import create_app
from webapp.database import db


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    """A Redis, and a database with all tables."""
    with Valkey() as valkey, Postgres() as postgres:
        machines = Machines(valkey, postgres, postgres.create_database("broken"))
        app = create_app(machines.settings())
        with app.app_context():
            flask_migrate.upgrade()
            db.engine.dispose()
        closed(app)
        yield machines
