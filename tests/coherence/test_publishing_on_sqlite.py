"""On SQLite, too, a writer publishes what is loaded of the row that it wrote."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.applications import believing, closed
from testbed.people import Person
from tests.coherence.reading import HIT
from tests.coherence.test_publishing import WRITES, Write, delete
from tests.shared.clients import client_of_its_own
from webapp import create_app
from webapp.cache import fills
from webapp.cache.fills import Source
from webapp.config import Settings
from webapp.database import db
from webapp.driving.cached_sessions import SESSIONS


@pytest.fixture
def carol(tmp_path: Path, settings: Settings) -> Iterator[Person]:
    """A driver of an application whose database is SQLite."""
    app = create_app(settings.model_copy(update={"database_url": f"sqlite:///{tmp_path / 'drives.db'}"}))
    app.test_client_class = client_of_its_own(app)
    with app.app_context():
        db.create_all()
        app.extensions["cache"].client.flushall()
        db.session.remove()
    with believing(app).app_context():
        yield Person.registered(app, "carol@example.com")
        db.session.remove()
    closed(app)


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.__name__)
def test_the_next_read_after_a_write_is_a_hit_of_what_the_database_says(carol: Person, write: Write) -> None:
    written = write(carol, str(carol.starts_a_drive(started_at="2026-01-05T08:00:00Z")["id"]))
    assert fills.get(SESSIONS, written) == (fills.load(SESSIONS, written), Source.HIT)
    answer = carol.get(f"/sessions/{written}")
    assert answer.headers.get("Cache-Status") == (None if write is delete else HIT)
