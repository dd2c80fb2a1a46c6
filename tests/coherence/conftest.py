"""People whose requests have contexts of their own, as in production, even where a test stands in one."""

from collections.abc import Iterator

import pytest
from flask import Flask

from testbed.applications import closed
from testbed.people import Person
from testbed.troubles import UNREACHABLE_REDIS
from tests.shared.clients import client_of_its_own
from tests.shared.doors import way_in
from webapp import create_app
from webapp.config import Settings

__all__ = ["way_in"]


@pytest.fixture
def app(app: Flask, way_in: str) -> Flask:
    app.test_client_class = client_of_its_own(app)
    return app


@pytest.fixture
def cut_off(settings: Settings, alice: Person) -> Iterator[Person]:
    """Alice, calling a process that cannot reach Redis, while others can."""
    app = create_app(settings.model_copy(update={"redis_url": UNREACHABLE_REDIS}))
    yield Person(app.test_client(), alice.email, alice.id, alice.tokens)
    closed(app)
