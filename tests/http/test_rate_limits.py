"""Rate limits: whoever guesses is slowed down, and nobody locks anybody else out."""

import re
from collections.abc import Callable
from itertools import count

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from testbed.people import PASSWORD, Person
from tests.shared.answers import assert_problem, assert_refused
from tests.shared.attacked import MakeApp
from tests.shared.crowd import all_at_once
from webapp.cache.redis import Cache

VICTIM = "alice@example.com"


class Attacker:
    """Somebody who guesses, from any address."""

    def __init__(self, app: Flask) -> None:
        self._client = app.test_client()

    def logs_in(self, password: str, *, email: str = VICTIM, address: str = "203.0.113.1") -> TestResponse:
        body = {"email": email, "password": password}
        return self._client.post("/api/v1/auth/login", json=body, environ_overrides={"REMOTE_ADDR": address})

    def registers(self, email: str, address: str = "203.0.113.1") -> TestResponse:
        body = {"email": email, "password": PASSWORD, "full_name": "Mallory"}
        return self._client.post("/api/v1/auth/register", json=body, environ_overrides={"REMOTE_ADDR": address})

    def guesses_until_stopped(self, at_most: int, guess: Callable[[int], TestResponse]) -> int:
        """Guess until the answer is a 429, and return how often the answer was another one."""
        for n in range(at_most):
            answer = guess(n)
            if answer.status_code == 429:
                assert_limited(answer)
                return n
        raise AssertionError(f"nobody stopped {at_most} guesses")


def assert_limited(answer: TestResponse) -> None:
    assert_problem(answer, 429, code="rate_limited")
    wait_s = int(answer.headers["Retry-After"])
    assert 0 < wait_s <= 3600
    policy = re.fullmatch(r'"([a-z-]+)";q=(\d+);w=(\d+)', answer.headers["RateLimit-Policy"])
    assert policy
    assert re.fullmatch(rf'"{policy[1]}";r=0;t={wait_s}', answer.headers["RateLimit"])


def addresses() -> Callable[[], str]:
    numbers = count()
    return lambda: f"10.{(n := next(numbers)) // 65536}.{n // 256 % 256}.{n % 256}"


def test_ten_wrong_passwords_from_one_address_are_enough(app: Flask, alice: Person) -> None:
    attacker = Attacker(app)
    assert attacker.guesses_until_stopped(20, lambda n: attacker.logs_in(f"{PASSWORD} {n}")) == 10
    assert_limited(attacker.logs_in(PASSWORD))


def test_the_limit_holds_in_every_process_together(app: Flask, make_app: MakeApp, alice: Person) -> None:
    here, there = Attacker(app), Attacker(make_app())
    assert here.guesses_until_stopped(20, lambda n: (here, there)[n % 2].logs_in(f"{PASSWORD} {n}")) == 10


def test_an_account_that_never_was_is_limited_alike(app: Flask) -> None:
    attacker = Attacker(app)
    nobody = "nobody@example.com"
    assert attacker.guesses_until_stopped(20, lambda n: attacker.logs_in(f"{PASSWORD} {n}", email=nobody)) == 10


def test_an_address_written_otherwise_is_the_same_account(app: Flask, alice: Person) -> None:
    attacker = Attacker(app)
    spellings = (VICTIM, VICTIM.upper(), VICTIM.title())
    guess = lambda n: attacker.logs_in(f"{PASSWORD} {n}", email=spellings[n % 3])  # noqa: E731
    assert attacker.guesses_until_stopped(20, guess) == 10


def test_the_victim_logs_in_while_she_is_attacked_from_one_address(app: Flask, alice: Person) -> None:
    attacker = Attacker(app)
    attacker.guesses_until_stopped(20, lambda n: attacker.logs_in(f"{PASSWORD} {n}"))
    assert alice.log_in()


def test_the_victim_logs_in_while_she_is_attacked_from_everywhere(make_app: MakeApp) -> None:
    app = make_app(ratelimit_failed_logins_per_account="30/hour")
    alice = Person.registered(app, VICTIM)
    attacker, address = Attacker(app), addresses()
    for n in range(40):
        assert_refused(attacker.logs_in(f"{PASSWORD} {n}", address=address()), code="invalid_credentials")
    assert alice.log_in()
    assert alice.get("/users/me").status_code == 200


def test_of_an_account_attacked_from_everywhere_each_address_has_one_guess_a_minute(make_app: MakeApp) -> None:
    app = make_app(ratelimit_failed_logins_per_account="30/hour")
    Person.registered(app, VICTIM)
    attacker, address = Attacker(app), addresses()
    for n in range(30):
        attacker.logs_in(f"{PASSWORD} {n}", address=address())
    assert_refused(attacker.logs_in("wrong", address="203.0.113.7"), code="invalid_credentials")
    assert_limited(attacker.logs_in("wrong", address="203.0.113.7"))


@pytest.mark.parametrize("spread", ["2001:db8::{:x}", "2001:db8::{:x}:1:2:3"], ids=["the last part", "the last half"])
def test_a_network_of_ipv6_is_one_address(app: Flask, alice: Person, spread: str) -> None:
    attacker = Attacker(app)
    guess = lambda n: attacker.logs_in(f"{PASSWORD} {n}", address=spread.format(n + 1))  # noqa: E731
    assert attacker.guesses_until_stopped(20, guess) == 10


def test_addresses_of_ipv4_in_ipv6_are_as_many_as_they_were(app: Flask, alice: Person) -> None:
    attacker = Attacker(app)
    for n in range(20):
        answer = attacker.logs_in(f"{PASSWORD} {n}", address=f"::ffff:203.0.113.{n}")
        assert_refused(answer, code="invalid_credentials")


@pytest.mark.parametrize("address", ["", "unknown", "/run/proxy.sock", "fe80::1%eth0", "999.1.1.1"])
def test_an_address_that_is_none_is_an_address(app: Flask, alice: Person, address: str) -> None:
    attacker = Attacker(app)
    guess = lambda n: attacker.logs_in(f"{PASSWORD} {n}", address=address)  # noqa: E731
    assert attacker.guesses_until_stopped(20, guess) == 10


def test_one_password_for_many_accounts_is_stopped_by_the_address(make_app: MakeApp) -> None:
    attacker = Attacker(make_app(ratelimit_login_per_address="20/minute"))
    guess = lambda n: attacker.logs_in(PASSWORD, email=f"user{n}@example.com")  # noqa: E731
    assert attacker.guesses_until_stopped(30, guess) == 20


def test_an_address_that_is_stopped_stops_no_other_address(make_app: MakeApp) -> None:
    app = make_app(ratelimit_login_per_address="20/minute")
    alice = Person.registered(app, VICTIM)
    attacker = Attacker(app)
    attacker.guesses_until_stopped(30, lambda n: attacker.logs_in(PASSWORD, email=f"user{n}@example.com"))
    assert alice.log_in()


def test_a_forwarded_address_gives_no_new_guesses(app: Flask, alice: Person) -> None:
    client = app.test_client()
    for n in range(11):
        headers = {"X-Forwarded-For": f"10.0.0.{n}", "X-Real-IP": f"10.0.0.{n}"}
        answer = client.post("/api/v1/auth/login", json={"email": VICTIM, "password": "wrong"}, headers=headers)
    assert_limited(answer)


def test_registrations_from_one_address_are_limited(make_app: MakeApp) -> None:
    attacker = Attacker(make_app(ratelimit_register_per_address="5/minute"))
    assert attacker.guesses_until_stopped(10, lambda n: attacker.registers(f"user{n}@example.com")) == 5
    assert attacker.registers("other@example.com", address="203.0.113.2").status_code == 201


def change_password(person: Person, guess: str) -> TestResponse:
    body = {"current_password": guess, "new_password": f"{PASSWORD} new"}
    return person.call("PUT", "/users/me/password", json=body)


def delete_account(person: Person, guess: str) -> TestResponse:
    return person.delete("/users/me", json={"password": guess})


@pytest.mark.parametrize("ask", [change_password, delete_account])
def test_a_stolen_token_does_not_guess_the_password(
    app: Flask, alice: Person, ask: Callable[[Person, str], TestResponse]
) -> None:
    attacker = Attacker(app)
    assert attacker.guesses_until_stopped(20, lambda n: ask(alice, f"{PASSWORD} {n}")) == 10
    assert_limited(ask(alice, PASSWORD))
    assert alice.get("/users/me").status_code == 200


def test_many_guesses_at_once_are_not_many_more_guesses(make_app: MakeApp) -> None:
    app = make_app(ratelimit_login_per_address="10/minute", web_threads=32)
    Person.registered(app, VICTIM)
    attackers = [Attacker(app) for _ in range(30)]
    answers = all_at_once([lambda attacker=attacker: attacker.logs_in("wrong") for attacker in attackers])
    assert sum(answer.status_code == 401 for answer in answers) <= 10


def without_redis(app: Flask) -> None:
    cache: Cache = app.extensions["cache"]
    cache.trust.doubt(ConnectionError(), operation="test")


def test_while_redis_is_away_each_process_counts_for_itself(app: Flask, make_app: MakeApp, alice: Person) -> None:
    there = make_app()
    for place in (app, there):
        without_redis(place)
        attacker = Attacker(place)
        assert attacker.guesses_until_stopped(20, lambda n: attacker.logs_in(f"{PASSWORD} {n}")) == 10  # noqa: B023


@pytest.mark.parametrize("garbage", [b"garbage", b"\xff\xfe", b"-5", b"1e9", b"", b"9" * 400], ids=repr)
def test_a_counter_that_holds_garbage_lets_nobody_down(app: Flask, cache: Cache, alice: Person, garbage: bytes) -> None:
    Attacker(app).logs_in("wrong", address="127.0.0.1")
    counters = cache.client.keys("rate*")
    assert counters
    for key in counters:
        cache.client.set(str(key), garbage)
    answer = Attacker(app).logs_in(PASSWORD, address="127.0.0.1")
    assert answer.status_code in (200, 429)
    assert Attacker(app).logs_in(PASSWORD, address="203.0.113.50").status_code == 200


def test_limits_can_be_switched_off(make_app: MakeApp) -> None:
    app = make_app(ratelimit_enabled=False, ratelimit_login_per_address="1/minute")
    Person.registered(app, VICTIM)
    attacker = Attacker(app)
    for n in range(25):
        assert_refused(attacker.logs_in(f"{PASSWORD} {n}"), code="invalid_credentials")
    assert attacker.logs_in(PASSWORD).status_code == 200


def test_no_counter_names_an_account(app: Flask, cache: Cache, alice: Person) -> None:
    Attacker(app).logs_in("wrong")
    assert cache.client.keys("rate*")
    assert not cache.client.keys("*alice*")
