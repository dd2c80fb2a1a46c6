"""What the protocol cannot promise, and what bounds it (docs/cache-contract.md): a writer cut off from Redis alone."""

from flask import Flask

from tests.people import Person
from webapp import create_app
from webapp.cache.reconcile import reconcile
from webapp.cache.redis import close_redis
from webapp.config import Settings
from webapp.extensions import db

NOBODY = "redis://127.0.0.1:1/0"


def test_a_writer_that_alone_is_cut_off_leaves_an_old_value_until_the_reconciler_has_run(
    app: Flask, alice: Person, settings: Settings
) -> None:
    path = f"/sessions/{alice.starts_a_drive(name='old')['id']}"
    alice.get(path)
    writer = create_app(settings.model_copy(update={"redis_url": NOBODY}))
    try:
        cut_off = Person(writer.test_client(), alice.email, alice.id, alice.tokens)
        assert cut_off.patch(path, json={"name": "new"}).status_code == 200
        assert cut_off.get(path).json["name"] == "new", "the writer itself doubts Redis"
    finally:
        close_redis(writer)
        with writer.app_context():
            db.engine.dispose()
    assert alice.get(path).json["name"] == "old", "nobody could tell this process"
    with app.app_context():
        assert reconcile().behind >= 1
    assert alice.get(path).json["name"] == "new"
