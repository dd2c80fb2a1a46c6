"""On SQLite, which has one lock for all, the debts are looked at and paid without holding anybody up."""

from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy import delete

from testbed.applications import closed
from webapp import create_app
from webapp.cache.debts import owe
from webapp.cache.redis import Cache
from webapp.cache.trust import BELIEF_S
from webapp.config import Settings
from webapp.database import db
from webapp.driving.cached_sessions import SESSIONS
from webapp.models import MissedFence

SOON_S = BELIEF_S / 5


@pytest.fixture
def cache(tmp_path: Path, settings: Settings) -> Iterator[Cache]:
    app = create_app(settings.model_copy(update={"database_url": f"sqlite:///{tmp_path / 'busy.db'}"}))
    with app.app_context():
        db.create_all()
        yield app.extensions["cache"]
    closed(app)


def test_who_looks_waits_for_no_writer(cache: Cache) -> None:
    with db.engine.begin() as writer:
        writer.execute(delete(MissedFence))
        began = monotonic()
        assert cache.debts.look()
        assert monotonic() - began < SOON_S


def test_who_pays_holds_up_no_writer_while_redis_hangs(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    waited_s = []

    def hang(*_: object) -> set[str]:
        began = monotonic()
        with db.engine.begin():
            waited_s.append(monotonic() - began)
        return set()

    monkeypatch.setattr(cache.entries, "fence", hang)
    with db.engine.begin() as connection:
        owe(connection, {SESSIONS.key("any"): 1})
    cache.debts.pay()
    assert cache.debts.look()
    assert len(waited_s) == 1
    assert waited_s[0] < SOON_S
