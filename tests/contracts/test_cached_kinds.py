"""What is cached is kept true: every kind is reconciled, and a change of its row fences it with nobody asking."""

import importlib
import pkgutil
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import update

import webapp.cache
from testbed.people import Person
from webapp.cache import fills, keys
from webapp.cache.coherence import BulkWriteRefused
from webapp.cache.driving_sessions import SESSION_CACHE_PREFIX, SESSION_CACHE_TTL, SESSIONS
from webapp.cache.kinds import Kind
from webapp.cache.reconcile import KINDS
from webapp.cache.redis import Cache
from webapp.config import Settings
from webapp.extensions import db
from webapp.models import Base, DrivingSession, User

VERSIONED = sorted(
    (mapper.class_ for mapper in Base.registry.mappers if mapper.version_id_col is not None),
    key=lambda model: model.__name__,  # The registry has no order, and all test processes need the same one.
)


def change_user(user: User, _session: DrivingSession) -> str:
    user.full_name = "Somebody Else"
    return user.id


def change_session(_user: User, session: DrivingSession) -> str:
    session.name = "Elsewhere"
    return session.id


def change_list(user: User, session: DrivingSession) -> str:
    session.name = "Elsewhere"
    return user.id


CHANGES: dict[str, Callable[[User, DrivingSession], str]] = {
    "user": change_user,
    "session": change_session,
    "session_list": change_list,
}
"""How each kind changes: a function that changes a row, and returns the id under which it is cached."""


def test_every_kind_is_reconciled() -> None:
    modules = [
        importlib.import_module(f"webapp.cache.{found.name}") for found in pkgutil.iter_modules(webapp.cache.__path__)
    ]
    defined = {kind.name for module in modules for kind in vars(module).values() if isinstance(kind, Kind)}
    assert defined == {kind.name for kind in KINDS} == CHANGES.keys()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_change_of_a_row_fences_what_is_cached_of_it(app: Flask, cache: Cache, alice: Person, kind: Kind) -> None:
    session_id = alice.starts_a_drive()["id"]
    with app.app_context():
        user, session = db.session.get_one(User, alice.id), db.session.get_one(DrivingSession, session_id)
        id = CHANGES[kind.name](user, session)
        db.session.rollback()

        fills.get(kind, id)
        [before] = cache.entries.held([kind.key(id)])
        CHANGES[kind.name](user, session)
        db.session.commit()
        [after] = cache.entries.held([kind.key(id)])
    assert (before.state, after.state) == ("value", "pending")
    assert after.version > before.version


@pytest.mark.parametrize("model", VERSIONED, ids=lambda model: model.__name__)
def test_a_model_that_has_versions_is_declared(app: Flask, model: type[Base]) -> None:
    column = next(column for column in model.__table__.columns if not column.primary_key)
    with app.app_context(), pytest.raises(BulkWriteRefused):
        db.session.execute(update(model).values({column.name: None}))


def test_the_names_and_the_life_of_a_cached_session_are_those_of_the_contract() -> None:
    assert SESSION_CACHE_PREFIX == keys.SESSION_PREFIX == "session:"
    assert Settings.model_fields["session_cache_ttl"].default == SESSION_CACHE_TTL == 300
    assert SESSIONS.key("x") == "session:x"
