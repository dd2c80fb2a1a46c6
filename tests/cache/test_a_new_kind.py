"""A new cached kind is one file, as this one is. All that keeps the cache true and warm takes it up."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from flask import Flask
from pydantic import BaseModel
from sqlalchemy import Connection, select, update

from testbed.people import PASSWORD, Person
from webapp.auth.schemas import UserDocument
from webapp.cache import coherence, drift, fills, warm_requests
from webapp.cache.entries import Entry
from webapp.cache.fills import Source
from webapp.cache.kinds import Kind, Kinds, RowVersion
from webapp.cache.reconcile import reconcile
from webapp.cache.redis import Cache, cache_of
from webapp.cache.refresh_ahead import refresh_ahead
from webapp.cache.unnoted import NOT_NOTICED
from webapp.cache.warming import warm_due, warm_first_reads
from webapp.clock import utcnow
from webapp.database import db
from webapp.driving.cached_lists import SESSION_LISTS
from webapp.models import Login, User


class DevicesDocument(BaseModel):
    """How many devices are logged in, and whose they are."""

    full_name: str
    devices: int


def load(connection: Connection, user_ids: Sequence[str]) -> Mapping[str, Entry]:
    alive = select(Login.user_id).where(Login.user_id.in_(user_ids), Login.revoked_at.is_(None))
    owners = list(connection.scalars(alive))
    users = connection.execute(select(User.id, User.full_name, User.version).where(User.id.in_(user_ids)))
    return {user.id: Entry(user.version, told(user.full_name, owners.count(user.id))) for user in users}


def told(full_name: str, devices: int) -> str:
    return DevicesDocument(full_name=full_name, devices=devices).model_dump_json()


DEVICES = Kind(
    name="devices",
    prefix="devices:",
    version=RowVersion(User),
    load=load,
    shape=(DevicesDocument,),
    ttl_s=lambda: 100,
    is_warmed=True,
    first_reads=lambda _connection, user_id: [user_id],
)


@pytest.fixture
def app(app: Flask) -> Flask:
    cache_of(app).register(DEVICES)
    return app


def devices(app: Flask, person: Person) -> tuple[str, Source]:
    """Read a person's devices through the cache."""
    with app.app_context():
        entry, source = fills.get(DEVICES, person.id)
    return entry.body, source


def state(cache: Cache, person: Person) -> str:
    return cache.entries.held([DEVICES.key(person.id)])[0].state


def test_it_is_read_through_the_cache(app: Flask, alice: Person) -> None:
    assert devices(app, alice) == (told("Alice", 1), Source.MISS)
    assert devices(app, alice) == (told("Alice", 1), Source.HIT)


def test_a_change_of_its_row_fences_it_with_nobody_asking(app: Flask, alice: Person, cache: Cache) -> None:
    devices(app, alice)
    assert alice.patch("/users/me", json={"full_name": "Alice A."}).status_code == 200
    assert state(cache, alice) == "pending"
    assert devices(app, alice) == (told("Alice A.", 1), Source.MISS)


def test_a_write_that_is_repeated_fences_it_too(app: Flask, alice: Person, cache: Cache) -> None:
    with app.app_context():
        coherence.confirm(db.session(), User, db.session.get_one(User, alice.id))
        db.session.commit()
    assert state(cache, alice) == "pending"


def test_the_worker_warms_it_after_a_change_and_for_who_logs_in(app: Flask, alice: Person, cache: Cache) -> None:
    devices(app, alice)
    alice.patch("/users/me", json={"full_name": "Alice A."})
    with app.app_context():
        warm_due()
    assert devices(app, alice) == (told("Alice A.", 1), Source.HIT)
    cache.client.flushdb()
    with app.app_context():
        warm_first_reads(alice.id)
    assert devices(app, alice) == (told("Alice A.", 1), Source.HIT)


def test_it_is_reconciled(app: Flask, alice: Person, cache: Cache) -> None:
    devices(app, alice)
    with app.app_context(), db.engine.begin() as behind_the_back:
        change = {"full_name": "Alice B.", "version": User.version + 1, "updated_at": utcnow()}
        behind_the_back.execute(update(User).where(User.id == alice.id).values(change), execution_options=NOT_NOTICED)
    with app.app_context():
        reconcile()
    assert state(cache, alice) == "pending"
    assert devices(app, alice)[0] == told("Alice B.", 1)


def test_its_drift_is_found_and_healed(app: Flask, alice: Person, cache: Cache) -> None:
    devices(app, alice)
    raw = str(cache.client.get(DEVICES.key(alice.id)))
    cache.client.set(DEVICES.key(alice.id), raw.replace("Alice", "Malice"), keepttl=True)
    with app.app_context():
        assert drift.measure(100).healed == 1
    assert devices(app, alice)[0] == told("Alice", 1)


def test_it_is_renewed_while_it_is_read(app: Flask, alice: Person, cache: Cache) -> None:
    devices(app, alice)
    cache.client.expire(DEVICES.key(alice.id), 10)
    with app.app_context():
        assert refresh_ahead() == 1
    assert cache.client.ttl(DEVICES.key(alice.id)) > 90


def test_what_was_cached_in_another_shape_is_absent(app: Flask, alice: Person, cache: Cache) -> None:
    devices(app, alice)
    before = cache.stamp.text
    cache.register(replace(DEVICES, name="grouped", prefix="grouped:", shape=(DevicesDocument, UserDocument)))
    assert cache.stamp.text != before
    assert state(cache, alice) == "absent"


def form_of(kind: Kind) -> str:
    kinds = Kinds()
    kinds.register(kind)
    return kinds.form()


def test_words_about_a_shape_change_nothing_and_a_number_does(monkeypatch: pytest.MonkeyPatch) -> None:
    before = form_of(DEVICES)
    monkeypatch.setattr(DevicesDocument, "__doc__", "Said in other words.")
    DevicesDocument.model_rebuild(force=True)
    assert form_of(DEVICES) == before
    assert form_of(replace(DEVICES, layout=2)) != before


def test_kinds_of_one_version_are_fenced_by_one_change(app: Flask, alice: Person, cache: Cache) -> None:
    cache.register(replace(SESSION_LISTS, name="grouped", prefix="grouped:"))
    with app.app_context():
        fills.get(replace(SESSION_LISTS, name="grouped", prefix="grouped:"), alice.id)
        fills.get(SESSION_LISTS, alice.id)
    alice.starts_a_drive()
    [listed, grouped] = cache.entries.held([SESSION_LISTS.key(alice.id), f"grouped:{alice.id}"])
    assert listed == grouped == ("pending", 1), "the counter rose once"


def test_what_it_keeps_of_an_account_goes_with_the_account(app: Flask, alice: Person, cache: Cache) -> None:
    grouped = replace(SESSION_LISTS, name="grouped", prefix="grouped:")
    cache.register(grouped)
    drive_id = alice.starts_a_drive()["id"]
    with app.app_context():
        assert drive_id in fills.get(grouped, alice.id)[0].body
    assert alice.delete("/users/me", json={"password": PASSWORD}).status_code == 204
    assert cache.client.exists(grouped.key(alice.id)) == 0


def test_ids_may_be_of_any_form_that_the_kind_knows(app: Flask, alice: Person, cache: Cache) -> None:
    def load_months(connection: Connection, ids: Sequence[str]) -> Mapping[str, Entry]:
        return {id: load(connection, [id[:36]])[id[:36]] for id in ids}

    months = replace(DEVICES, name="months", prefix="months:", load=load_months, is_id=lambda id: len(id) == 44)
    cache.register(months)
    key = months.key(f"{alice.id}.2026-11")
    with app.app_context():
        warm_requests.ask([key])
        warm_due()
    assert cache.entries.held([key])[0].state == "value"


def test_what_others_keep_under_such_keys_harms_nobody(app: Flask, alice: Person, cache: Cache) -> None:
    devices(app, alice)
    cache.client.set("devices:42", "v|", ex=1)
    cache.client.lpush("user:42", "a list")
    with app.app_context():
        assert drift.measure(100).drifted == 0
        assert refresh_ahead() == 0


@pytest.mark.parametrize("prefix", ["devices:", "devices", "some:devices:", ""])
def test_a_kind_whose_keys_cannot_be_told_from_others_is_refused(app: Flask, cache: Cache, prefix: str) -> None:
    with pytest.raises(ValueError, match="cannot be told"):
        cache.register(replace(DEVICES, prefix=prefix))
