"""Checks of the present password by who is logged in: each takes a core, so that they are limited, right or wrong."""

from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from testbed.people import PASSWORD, Person
from tests.shared.answers import assert_problem
from tests.shared.attacked import MakeApp
from webapp.auth import passwords


def change(person: Person, current: str = PASSWORD, new: str = PASSWORD, **kwargs: Any) -> TestResponse:
    body = {"current_password": current, "new_password": new}
    answer = person.call("PUT", "/users/me/password", json=body, **kwargs)
    person.tokens = answer.json if answer.status_code == 200 else person.tokens
    return answer


def delete(person: Person, password: str = PASSWORD, **kwargs: Any) -> TestResponse:
    return person.call("DELETE", "/users/me", json={"password": password}, **kwargs)


def changes_until_stopped(person: Person, current: str) -> int:
    """Change the password until the answer is a 429, and return how often it was another one."""
    for number in range(30):
        answer = change(person, current)
        if answer.status_code == 429:
            assert_problem(answer, 429, code="rate_limited")
            assert int(answer.headers["Retry-After"]) > 0
            return number
    raise AssertionError("nobody stopped it")


@pytest.mark.parametrize("current", [PASSWORD, "wrong"])
def test_one_account_does_not_keep_the_others_waiting_with_checks_of_its_own_password(
    make_app: MakeApp, current: str
) -> None:
    app = make_app(ratelimit_failed_logins_per_account_and_address="1000/minute")
    assert changes_until_stopped(Person.registered(app, "mallory@example.com"), current) == 20


def test_a_check_counts_as_an_attempt_of_its_address_to_log_in(make_app: MakeApp) -> None:
    alice = Person.registered(make_app(ratelimit_login_per_address="5/minute"), "alice@example.com")
    assert changes_until_stopped(alice, "wrong") == 4, "after one login"


@pytest.mark.parametrize("ask", [change, delete])
def test_one_that_is_too_many_waits_for_no_hash(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, ask: Any) -> None:
    alice = Person.registered(make_app(ratelimit_login_per_address="1/minute"), "alice@example.com")
    monkeypatch.setattr(passwords.Hashing, "turn", lambda _: pytest.fail("it waits"))
    assert_problem(ask(alice), 429, code="rate_limited")


def test_a_thief_does_not_keep_the_owner_from_changing_the_password(app: Flask, alice: Person) -> None:
    for _ in range(25):
        delete(alice, "wrong", environ_overrides={"REMOTE_ADDR": "203.0.113.9"})
    assert change(alice, new=f"{PASSWORD} 2").status_code == 200
