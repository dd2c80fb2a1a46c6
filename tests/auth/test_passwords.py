"""Passwords: how they are kept, which are refused, and that computing hashes tells nothing."""

import re
from collections import Counter
from typing import Any

import argon2
import pytest
from flask import Flask
from sqlalchemy import select, update

from testbed.people import PASSWORD, Person
from tests.shared.answers import assert_problem, assert_refused
from tests.shared.attacked import MakeApp
from webapp.config import Settings
from webapp.database import db, read_connection
from webapp.models import User

PRODUCTION_MEMORY_KIB = Settings.model_fields["password_hash_memory_kib"].default


def kept_hash(app: Flask, person: Person) -> str:
    with app.app_context(), read_connection() as connection:
        return str(connection.scalar(select(User.password_hash).where(User.id == person.id)))


def version_of(app: Flask, person: Person) -> int:
    with app.app_context():
        return db.session.get_one(User, person.id, populate_existing=True).version


def keep_hash(app: Flask, person: Person, password_hash: str) -> None:
    with app.app_context():
        change = update(User).where(User.id == person.id).values(password_hash=password_hash)
        db.session.execute(change, execution_options={"changes_nothing_cached": True})
        db.session.commit()
        db.session.remove()


def test_production_hashes_with_argon2id_and_the_parameters_of_owasp(make_app: MakeApp) -> None:
    app = make_app(password_hash_memory_kib=PRODUCTION_MEMORY_KIB)
    alice = Person.registered(app, "alice@example.com")
    assert re.match(r"\$argon2id\$v=19\$m=19456,t=2,p=1\$", kept_hash(app, alice))


def test_two_accounts_with_one_password_have_two_hashes(app: Flask, alice: Person, bob: Person) -> None:
    assert kept_hash(app, alice) != kept_hash(app, bob)


def test_a_login_renews_a_hash_with_weaker_parameters(app: Flask, make_app: MakeApp, alice: Person) -> None:
    weak = kept_hash(app, alice)
    stronger = make_app(password_hash_memory_kib=16)
    credentials = {"email": alice.email, "password": PASSWORD}
    assert stronger.test_client().post("/api/v1/auth/login", json=credentials).status_code == 200
    assert kept_hash(app, alice) != weak
    assert "m=16,t=2,p=1" in kept_hash(app, alice)
    assert alice.log_in()


def test_a_wrong_password_renews_nothing(app: Flask, make_app: MakeApp, alice: Person) -> None:
    weak = kept_hash(app, alice)
    credentials = {"email": alice.email, "password": f"{PASSWORD} not"}
    make_app(password_hash_memory_kib=16).test_client().post("/api/v1/auth/login", json=credentials)
    assert kept_hash(app, alice) == weak


@pytest.mark.parametrize(("now", "status"), [(PASSWORD, 200), (f"{PASSWORD} 2", 401)], ids=["same", "changed"])
def test_a_login_while_the_password_is_hashed_anew_succeeds_if_it_is_the_same(
    app: Flask, alice: Person, monkeypatch: pytest.MonkeyPatch, now: str, status: int
) -> None:
    new_hash = argon2.PasswordHasher(time_cost=2, memory_cost=16, parallelism=1).hash(now)
    verify_secret = argon2.low_level.verify_secret

    def verify_meanwhile(*args: Any) -> bool:
        is_right = verify_secret(*args)
        keep_hash(app, alice, new_hash)
        return is_right

    monkeypatch.setattr("argon2._password_hasher.verify_secret", verify_meanwhile)
    credentials = {"email": alice.email, "password": PASSWORD}
    before = version_of(app, alice)
    assert app.test_client().post("/api/v1/auth/login", json=credentials).status_code == status
    assert status == 200 or version_of(app, alice) == before, "who is refused changes nothing"


@pytest.mark.parametrize("kept", ["", "x", "$argon2id$", "plain text", "$2b$12$" + "a" * 53, PASSWORD])
def test_a_hash_that_is_none_lets_nobody_in(app: Flask, alice: Person, kept: str) -> None:
    keep_hash(app, alice, kept)
    for password in (kept or "x", PASSWORD):
        answer = app.test_client().post("/api/v1/auth/login", json={"email": alice.email, "password": password})
        assert_refused(answer, code="invalid_credentials")
    keep_hash(app, alice, "no hash of anything")


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the hashes that are computed, by what for and with how much memory."""
    counted: Counter[str] = Counter()
    low_level_hash, low_level_verify = argon2.low_level.hash_secret, argon2.low_level.verify_secret

    def hash_secret(*args: object, **kwargs: object) -> bytes:
        counted["hash"] += 1
        return low_level_hash(*args, **kwargs)

    def verify_secret(encoded: bytes, *args: object) -> bool:
        counted["verify " + encoded.decode().split("$")[3]] += 1
        return low_level_verify(encoded, *args)

    monkeypatch.setattr("argon2._password_hasher.hash_secret", hash_secret)
    monkeypatch.setattr("argon2._password_hasher.verify_secret", verify_secret)
    return counted


@pytest.mark.parametrize("who", ["nobody", "somebody", "somebody deactivated", "somebody deleted"])
def test_a_refused_login_computes_the_same_whoever_it_is(
    app: Flask, alice: Person, computed: Counter[str], who: str
) -> None:
    if who == "somebody deleted":
        assert alice.delete("/users/me", json={"password": PASSWORD}).status_code == 204
    if who == "somebody deactivated":
        with app.app_context():
            change = update(User).where(User.id == alice.id).values(is_active=False)
            db.session.execute(change, execution_options={"changes_nothing_cached": True})
            db.session.commit()
            db.session.remove()
    email = "nobody@example.com" if who == "nobody" else alice.email
    computed.clear()
    for password in (PASSWORD if who != "somebody" else "wrong", f"{PASSWORD} wrong"):
        answer = app.test_client().post("/api/v1/auth/login", json={"email": email, "password": password})
        assert_refused(answer, code="invalid_credentials")
    assert computed == {"verify m=8,t=2,p=1": 2}


def test_refused_logins_differ_in_nothing_but_the_request_id(app: Flask, alice: Person) -> None:
    bodies = set()
    for email in (alice.email, "nobody@example.com"):
        answer = app.test_client().post("/api/v1/auth/login", json={"email": email, "password": "wrong"})
        bodies.add(answer.get_data().replace(answer.headers["X-Request-ID"].encode(), b""))
    assert len(bodies) == 1


COMMON = ["password", "12345678", "qwertyuiop", "iloveyou", "PASSWORD", "Password1", "football", "sunshine", "trustno1"]


@pytest.mark.parametrize("password", [*COMMON, "alice@example.com", "ALICE@example.com"])
def test_a_password_that_is_tried_first_is_refused(app: Flask, password: str) -> None:
    body = {"email": "alice@example.com", "password": password, "full_name": "Alice"}
    problem = assert_problem(app.test_client().post("/api/v1/auth/register", json=body), 422)
    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [("/password", "common_password")]


@pytest.mark.parametrize("password", ["password", "alice@example.com"])
def test_nor_can_it_be_changed_to_one(alice: Person, password: str) -> None:
    body = {"current_password": PASSWORD, "new_password": password}
    problem = assert_problem(alice.call("PUT", "/users/me/password", json=body), 422)
    assert problem["errors"][0]["pointer"] == "/new_password"


@pytest.mark.parametrize(
    "password", ["", "short", "1234567", "x" * 257, "x" * 100_000], ids=lambda p: f"{len(p)} letters"
)
def test_a_password_too_short_or_too_long_is_refused(app: Flask, password: str) -> None:
    body = {"email": "alice@example.com", "password": password, "full_name": "Alice"}
    assert_problem(app.test_client().post("/api/v1/auth/register", json=body), 422)


ODD = {
    "256 emoji": "🚗" * 256,
    "spaces around": f"  {PASSWORD}  ",
    "only spaces": " " * 12,
    "control characters": "tab\tand\x7fdelete",
    "a hash": "$argon2id$v=19$m=8,t=2,p=1$c2FsdHNhbHQ$aGFzaA",
}


@pytest.mark.parametrize("password", ODD.values(), ids=ODD.keys())
def test_an_odd_password_is_taken_as_it_is(app: Flask, password: str) -> None:
    client = app.test_client()
    body = {"email": "alice@example.com", "password": password}
    assert client.post("/api/v1/auth/register", json={**body, "full_name": "Alice"}).status_code == 201
    assert client.post("/api/v1/auth/login", json=body).status_code == 200
    if password.strip() != password:
        other = {**body, "password": password.strip() or "x"}
        assert_refused(client.post("/api/v1/auth/login", json=other), code="invalid_credentials")


@pytest.mark.parametrize("ask", ["PUT /users/me/password", "DELETE /users/me"])
def test_a_wrong_present_password_is_a_403_and_keeps_the_token(alice: Person, ask: str) -> None:
    method, path = ask.split()
    body = (
        {"password": "wrong"} if method == "DELETE" else {"current_password": "wrong", "new_password": f"{PASSWORD} 2"}
    )
    assert_problem(alice.call(method, path, json=body), 403, code="wrong_password")
    assert alice.get("/users/me").status_code == 200
