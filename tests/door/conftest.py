"""A door in an event loop of its own, in front of the application of a test."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from tests.conftest import SECRET
from tests.door.asking import MakeDoor, Wsgi
from tests.shared.doors import DoorKeeper
from webapp import create_app
from webapp.cache.redis import close_redis
from webapp.config import Settings
from webapp.door import Door
from webapp.threads import threads_of


@pytest.fixture(scope="session")
def event_loop_thread() -> Iterator[DoorKeeper]:
    with DoorKeeper() as keeper:
        yield keeper


@pytest.fixture
def keeper(event_loop_thread: DoorKeeper) -> Iterator[DoorKeeper]:
    yield event_loop_thread
    event_loop_thread.close_doors()


@pytest.fixture
def app(app: Flask, keeper: DoorKeeper) -> Flask:
    """The application, whose clients come to the door."""
    app.test_client_class = keeper.clients()
    return app


@pytest.fixture
def door(app: Flask, keeper: DoorKeeper) -> Door:
    return keeper.door_of(app)


@pytest.fixture
def make_door(tmp_path: Any) -> Iterator[MakeDoor]:
    """Put a door before anything that speaks WSGI."""
    made: list[Flask] = []

    def make(wsgi: Wsgi, **given: Any) -> Door:
        fixed: dict[str, Any] = {"jwt_secret_key": SECRET, "var_dir": tmp_path, "cache_probe_interval_ms": 0}
        app = create_app(Settings(**fixed, log_level="WARNING", **given))
        app.wsgi_app = wsgi  # type: ignore[method-assign]
        made.append(app)
        return Door(app)

    yield make
    for app in made:
        threads_of(app).shutdown()
        close_redis(app)
