"""Once the deletion of an account is acknowledged nothing of it is stored, by no request that was under way."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

from testbed.people import PASSWORD, Person
from tests.shared.attacked import MakeApp
from tests.shared.crowd import all_at_once
from tests.shared.elsewhere import NEW_PASSWORD, at
from tests.shared.interleave import after_write, at_commit
from tests.shared.meanwhile import Meanwhile
from webapp.accounts import deletion
from webapp.auth import credentials, endpoint
from webapp.batches import Budget
from webapp.database import read_connection
from webapp.models import AppendedReadings, DrivingSession, IdempotentAnswer, Login, ReadingChunk, User

Ask = Callable[[Person, str], TestResponse]
CLIENT_SESSION_ID = str(uuid4())
START = "2026-01-05T08:00:00Z"


def delete(person: Person) -> TestResponse:
    return person.delete("/users/me", json={"password": PASSWORD})


def start(person: Person, _drive: str) -> TestResponse:
    return person.post("/sessions", json={})


def start_with_a_key(person: Person, _drive: str) -> TestResponse:
    return person.post("/sessions", json={}, headers={"Idempotency-Key": "start"})


def start_again_with_a_key(person: Person, _drive: str) -> TestResponse:
    body = {"client_session_id": CLIENT_SESSION_ID, "name": "secret"}
    return person.post("/sessions", json=body, headers={"Idempotency-Key": "again"})


def upload(person: Person, drive: str) -> TestResponse:
    return person.post(f"/sessions/{drive}/readings", json={"readings": [{"seq": 0, "t": START, "speed_mps": 1.0}]})


def rename(person: Person, drive: str) -> TestResponse:
    return person.patch(f"/sessions/{drive}", json={"name": "secret"})


def rename_the_account(person: Person, _drive: str) -> TestResponse:
    return person.patch("/users/me", json={"full_name": "secret"})


def log_in(person: Person, _drive: str) -> TestResponse:
    return person.client.post("/api/v1/auth/login", json={"email": person.email, "password": PASSWORD})


def refresh(person: Person, _drive: str) -> TestResponse:
    return person.post("/auth/refresh", token=person.tokens["refresh_token"])


def change_the_password(person: Person, _drive: str) -> TestResponse:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    return person.call("PUT", "/users/me/password", json=body)


ASKS = (
    start,
    start_with_a_key,
    start_again_with_a_key,
    upload,
    rename,
    rename_the_account,
    log_in,
    refresh,
    change_the_password,
)
of_each = pytest.mark.parametrize("ask", ASKS, ids=lambda ask: ask.__name__.replace("_", " "))


@pytest.fixture
def drive(alice: Person) -> str:
    """A drive of Alice's that has ended, so that another one can be started."""
    drive = alice.starts_a_drive(client_session_id=CLIENT_SESSION_ID, started_at=START, name="secret")
    assert alice.post(f"/sessions/{drive['id']}/end", json={"ended_at": START}).status_code == 200
    return str(drive["id"])


def left_of(app: Flask, person: Person) -> dict[str, Any]:
    """Return what is stored of an account."""
    owned = select(DrivingSession.id).where(DrivingSession.user_id == person.id)
    queries = {
        "drives": select(DrivingSession.id).where(
            DrivingSession.user_id == person.id,
            (DrivingSession.deleted_at.is_(None)) | (DrivingSession.name.is_not(None)),
        ),
        "readings": select(ReadingChunk.block).where(ReadingChunk.session_id.in_(owned)),
        "appended": select(AppendedReadings.first_seq).where(AppendedReadings.session_id.in_(owned)),
        "logins": select(Login.id).where(Login.user_id == person.id, Login.revoked_at.is_(None)),
        "answers": select(IdempotentAnswer.key).where(IdempotentAnswer.user_id == person.id),
        "accounts": select(User.id).where(User.id == person.id, User.deleted_at.is_(None) | (User.full_name != "")),
    }
    with app.app_context(), read_connection() as connection:
        rows = {name: len(connection.execute(query).all()) for name, query in queries.items()}
    return {name: number for name, number in rows.items() if number}


@of_each
def test_a_request_that_the_guard_let_through_before_stores_nothing(
    app: Flask, make_app: MakeApp, alice: Person, drive: str, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    elsewhere, deletions = at(make_app(), alice), []

    def overtaken(guard: Callable[..., Any]) -> Callable[..., Any]:
        def let_through(*args: Any, **kwargs: Any) -> Any:
            passed = guard(*args, **kwargs)
            if not deletions:
                deletions.append(None)
                deletions[0] = delete(elsewhere).status_code  # type: ignore[call-overload]
            return passed

        return let_through

    monkeypatch.setattr(endpoint, "authenticate", overtaken(endpoint.authenticate))
    monkeypatch.setattr(credentials, "_verified", overtaken(credentials._verified))
    answer = ask(alice, drive)
    assert deletions == [204]
    assert answer.status_code in (401, 403, 404, 409), answer.get_data(as_text=True)
    assert left_of(app, alice) == {}


@of_each
def test_a_deletion_meets_what_is_about_to_be_committed(
    app: Flask, make_app: MakeApp, alice: Person, drive: str, database_url: str, ask: Ask
) -> None:
    elsewhere = at(make_app(), alice)
    with Meanwhile(database_url, lambda: delete(elsewhere)) as deletion:
        with app.app_context(), at_commit(deletion.begins):
            answer = ask(alice, drive)
        assert answer.status_code in (200, 201)
        # A password that was changed first does not open any more.
        assert deletion.result().status_code == (403 if ask is change_the_password else 204)
    assert ask is change_the_password or left_of(app, alice) == {}


@of_each
def test_a_request_that_meets_a_deletion_about_to_be_committed_stores_nothing(
    app: Flask, make_app: MakeApp, alice: Person, drive: str, database_url: str, ask: Ask
) -> None:
    elsewhere = at(make_app(), alice)
    with Meanwhile(database_url, lambda: ask(elsewhere, drive)) as request:
        with app.app_context(), at_commit(request.begins):
            assert delete(alice).status_code == 204
        assert request.result().status_code in (200, 401, 404)
    assert left_of(app, alice) == {}


@pytest.mark.parametrize("ask", [start, start_with_a_key, upload], ids=lambda ask: ask.__name__.replace("_", " "))
def test_a_deletion_and_what_has_begun_to_write_do_not_wait_for_each_other(
    app: Flask, make_app: MakeApp, alice: Person, drive: str, database_url: str, ask: Ask
) -> None:
    elsewhere = at(make_app(), alice)
    with Meanwhile(database_url, lambda: delete(elsewhere)) as deletion:
        with app.app_context(), after_write(deletion.begins):
            answer = ask(alice, drive)
        assert (answer.status_code in (200, 201), deletion.result().status_code) == (True, 204)
    assert left_of(app, alice) == {}


RACES = 15


def test_nothing_is_left_of_an_account_that_was_deleted_in_the_middle_of_everything(make_app: MakeApp) -> None:
    here, there = make_app(ratelimit_enabled=False, web_threads=8), make_app(ratelimit_enabled=False, web_threads=8)
    for number in range(RACES):
        alice = Person.registered(here, f"alice{number}@example.com")
        drive = alice.starts_a_drive(client_session_id=CLIENT_SESSION_ID, started_at=START)["id"]
        asks = [partial(ask, at(here, alice), drive) for ask in (*ASKS, start) if ask is not change_the_password]
        *answers, deleted = all_at_once([*asks, partial(delete, at(there, alice))])
        assert deleted.status_code == 204
        assert {answer.status_code for answer in answers} <= {200, 201, 401, 404, 409}
        assert left_of(here, alice) == {}


def test_what_a_deletion_that_died_has_left_is_erased_later(
    app: Flask, alice: Person, drive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    assert upload(alice, drive).status_code == 200
    with monkeypatch.context() as patched:
        patched.setattr(deletion, "erase_account", dies)
        with pytest.raises(KeyboardInterrupt):
            delete(alice)
    assert alice.get(f"/sessions/{drive}").status_code == 401
    assert left_of(app, alice) == {"drives": 1, "appended": 1}
    with app.app_context():
        deletion.erase_deleted(Budget(10))
    assert left_of(app, alice) == {}


def test_a_drive_deleted_before_loses_its_content_too(app: Flask, alice: Person, drive: str) -> None:
    assert upload(alice, drive).status_code == 200
    assert alice.delete(f"/sessions/{drive}").status_code == 204
    assert delete(alice).status_code == 204
    assert left_of(app, alice) == {}


def test_a_database_that_fails_while_it_erases_leaves_the_account_deleted_and_the_rest_to_the_worker(
    app: Flask, alice: Person, drive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OperationalError("", {}, Exception("canceling statement due to lock timeout"))

    with monkeypatch.context() as patched:
        patched.setattr(deletion, "erase_account", fails)
        assert delete(alice).status_code == 204
    assert alice.get(f"/sessions/{drive}").status_code == 401
    with app.app_context():
        deletion.erase_deleted(Budget(10))
    assert left_of(app, alice) == {}
