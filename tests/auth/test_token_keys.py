"""Keys are changed without logging anybody out: a previous key verifies while it is listed, and signs nothing."""

import pytest
from flask import Flask

from testbed.people import Person
from tests.auth.forgery import HEADER, claims_of, minted
from tests.conftest import SECRET
from tests.shared.answers import assert_refused
from tests.shared.attacked import MakeApp
from webapp.auth.tokens import key_id

NEW_SECRET = "a-new-secret-0123456789-abcdefghijklmnopqrstuv"
OLDEST_SECRET = "the-oldest-secret-0123456789-abcdefghijklmnop"


@pytest.fixture
def rotated(make_app: MakeApp) -> Flask:
    """A process with a new key, which still knows the one before and the one before that."""
    return make_app(jwt_secret_key=NEW_SECRET, jwt_previous_secret_keys=f"{SECRET}, {OLDEST_SECRET}")


def at(app: Flask, person: Person) -> Person:
    """Return the same person, calling another process."""
    return Person(app.test_client(), person.email, person.id, dict(person.tokens))


def test_tokens_of_a_previous_key_are_good_while_it_is_listed(rotated: Flask, alice: Person) -> None:
    assert at(rotated, alice).get("/users/me").status_code == 200


def test_a_refresh_changes_over_to_the_new_key(rotated: Flask, alice: Person) -> None:
    moved = at(rotated, alice)
    moved.tokens = moved.post("/auth/refresh", token=moved.tokens["refresh_token"]).json
    assert moved.get("/users/me").status_code == 200
    assert_refused(alice.get("/users/me", token=moved.tokens["access_token"]), code="token_invalid")


def test_tokens_of_a_key_that_is_not_listed_any_more_are_refused(make_app: MakeApp, alice: Person) -> None:
    moved = at(make_app(jwt_secret_key=NEW_SECRET), alice)
    for kind, path in (("access_token", "/users/me"), ("refresh_token", "/auth/refresh")):
        method = "GET" if path == "/users/me" else "POST"
        assert_refused(moved.call(method, path, token=alice.tokens[kind]), code="token_invalid")


@pytest.mark.parametrize("secret", [SECRET, OLDEST_SECRET, NEW_SECRET], ids=["previous", "oldest", "new"])
@pytest.mark.parametrize("named", [SECRET, OLDEST_SECRET, NEW_SECRET], ids=["kid previous", "kid oldest", "kid new"])
def test_a_kid_names_the_one_key_that_verifies(rotated: Flask, alice: Person, secret: str, named: str) -> None:
    token = minted(claims_of(alice.tokens["access_token"]), {**HEADER, "kid": key_id(named)}, secret=secret)
    answer = at(rotated, alice).get("/users/me", token=token)
    if secret == named:
        assert answer.status_code == 200
    else:
        assert_refused(answer, code="token_invalid")


def test_a_key_id_does_not_tell_its_key(alice: Person) -> None:
    assert len(str(HEADER["kid"])) == 8
    assert str(HEADER["kid"]) not in SECRET
