"""What is cached is kept true: every kind is reconciled, and a change of its row fences it with nobody asking."""

import importlib
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import update

from testbed.people import Person
from tests.contracts.source_tree import files, module_name
from tests.shared.interleave import KINDS, Cached, at_commit
from webapp.auth.schemas import UserDocument
from webapp.cache.entries import Held
from webapp.cache.kinds import Kind
from webapp.cache.redis import Cache
from webapp.cache.unnoted import BulkWriteRefused
from webapp.config import Settings
from webapp.database import db
from webapp.driving.cached_lists import CachedList
from webapp.driving.cached_sessions import SESSION_CACHE_PREFIX, SESSION_CACHE_TTL, SESSIONS
from webapp.driving.schemas import SessionDocument, SessionRowDocument
from webapp.models import Base, DrivingSession, User
from webapp.models.driving_session import COMPLETED

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
    session.status = COMPLETED
    return user.id


CHANGES: dict[str, Callable[[User, DrivingSession], str]] = {
    "user": change_user,
    "session": change_session,
    "session_list": change_list,
}
"""How each kind changes: a function that changes a row, and returns the id under which it is cached."""


def defined_kinds() -> set[str]:
    """Return the names of the kinds that some room defines: each in a file of its own."""
    modules = [
        importlib.import_module(module_name(path)) for path in files("webapp") if path.stem.startswith("cached_")
    ]
    return {kind.name for module in modules for kind in vars(module).values() if isinstance(kind, Kind)}


def test_every_kind_is_registered_and_so_kept_true(cache: Cache) -> None:
    registered = {kind.name for kind in cache.kinds}
    assert registered == defined_kinds(), "a room registers its kinds in init_app"
    assert registered == {kind.name for kind in KINDS}, "tests.shared.interleave lists them for those who need them all"
    assert registered == CHANGES.keys(), "CHANGES says how each kind changes"


def test_a_kind_is_defined_where_it_is_looked_for() -> None:
    makers = {path.stem for path in files("webapp") if " = Kind(" in path.read_text(encoding="utf-8")}
    assert all(name.startswith("cached_") for name in makers)


def test_the_documents_that_are_cached_tell_the_form_of_what_is_cached(cache: Cache) -> None:
    shapes = {shape for kind in cache.kinds for shape in kind.shape}
    assert {SessionDocument, CachedList, UserDocument} <= shapes


def test_what_lists_show_of_a_cached_session_tells_its_form_too(cache: Cache) -> None:
    assert SessionRowDocument in {shape for kind in cache.kinds for shape in kind.shape}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_change_of_a_row_fences_what_is_cached_of_it(app: Flask, cache: Cache, alice: Person, kind: Kind) -> None:
    session_id = alice.starts_a_drive()["id"]
    with app.app_context():
        cached = changed_thing(cache, kind, alice, session_id)
        before, _ = cached.read()
        assert cached.held() == Held("value", before.version)
        at_the_commit: list[Held] = []
        with at_commit(lambda: at_the_commit.append(cached.held())):
            cached.change()
        assert at_the_commit == [Held("pending", before.version + 1)]
        assert cached.held() == cached.left_by_its_writer(before.version + 1)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.entry], ids=lambda kind: kind.name)
def test_what_a_writer_publishes_of_a_row_is_what_is_loaded_of_it(
    app: Flask, cache: Cache, alice: Person, kind: Kind
) -> None:
    session_id = alice.starts_a_drive(name="\N{LATIN SMALL LETTER E WITH ACUTE}", vehicle={"plate": '"'})["id"]
    with app.app_context():
        cached = changed_thing(cache, kind, alice, session_id)
        cached.change()
        [published] = cache.entries.read([cached.key])
        assert published == cached.row()
        written = db.session.get_one(kind.version.model, cached.id)
        assert kind.row(written).entry == published


def changed_thing(cache: Cache, kind: Kind, driver: Person, session_id: str) -> Cached:
    """Return what is cached of a driver or of a drive, with a change of their rows by the transaction of the test."""
    user, session = db.session.get_one(User, driver.id), db.session.get_one(DrivingSession, session_id)
    id = CHANGES[kind.name](user, session)
    db.session.rollback()

    def change() -> None:
        CHANGES[kind.name](db.session.get_one(User, driver.id), db.session.get_one(DrivingSession, session_id))
        db.session.commit()

    return Cached(cache, kind, id, change)


@pytest.mark.parametrize("model", VERSIONED, ids=lambda model: model.__name__)
def test_a_model_that_has_versions_refuses_bulk_writes(app: Flask, model: type[Base]) -> None:
    column = next(column for column in model.__table__.columns if not column.primary_key)
    with app.app_context(), pytest.raises(BulkWriteRefused):
        db.session.execute(update(model).values({column.name: None}))


def test_the_names_and_the_life_of_a_cached_session_are_those_of_the_contract() -> None:
    assert SESSION_CACHE_PREFIX == SESSIONS.prefix == "session:"
    assert Settings.model_fields["session_cache_ttl"].default == SESSION_CACHE_TTL == 300
    assert SESSIONS.key("x") == "session:x"
