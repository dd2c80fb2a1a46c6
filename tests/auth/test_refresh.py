"""Refresh tokens are good once. The direct parent is forgiven for a moment; anything older was stolen."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from testbed.people import PASSWORD, Person
from tests.auth.forgery import claims_of, minted
from tests.shared.answers import assert_refused
from tests.shared.attacked import MakeApp
from tests.shared.crowd import all_at_once
from tests.shared.elsewhere import NEW_PASSWORD, another_login, at, let_time_pass
from tests.shared.interleave import at_commit, between_commit_and_fence
from tests.shared.meanwhile import Meanwhile
from webapp.auth import logins
from webapp.auth.guard import Claims
from webapp.auth.logins import REUSE_GRACE_S
from webapp.database import read_connection
from webapp.models import AuditEvent, Login

Step = Callable[[Callable[[], object]], AbstractContextManager[None]]
RACES = 100
LOGOUT = "/auth/logout"


def refreshed(person: Person, token: str | None = None) -> TestResponse:
    return person.post("/auth/refresh", token=token or person.tokens["refresh_token"])


def generation(token: str) -> int:
    return int(claims_of(token)["generation"])


def events(app: Flask, name: str) -> list[AuditEvent]:
    with app.app_context(), read_connection() as connection:
        return list(connection.execute(select(AuditEvent.__table__).where(AuditEvent.event == name)))


def generation_in_the_database(app: Flask, person: Person) -> int:
    with app.app_context(), read_connection() as connection:
        login_id = claims_of(person.tokens["access_token"])["login"]
        return int(connection.scalar(select(Login.generation).where(Login.id == login_id)))


def test_each_refresh_is_one_step(app: Flask, alice: Person) -> None:
    for step in (2, 3, 4):
        alice.tokens = refreshed(alice).json
        assert generation(alice.tokens["refresh_token"]) == generation_in_the_database(app, alice) == step
        assert alice.get("/users/me").status_code == 200


def test_twenty_refreshes_at_once_all_succeed_and_are_one_step(app: Flask, make_app: MakeApp, alice: Person) -> None:
    browsers = [at(place, alice) for place in (app, make_app()) for _ in range(10)]
    answers = all_at_once([lambda tab=tab: refreshed(tab) for tab in browsers])
    assert [answer.status_code for answer in answers] == [200] * 20
    assert {generation(answer.json["refresh_token"]) for answer in answers} == {2}
    assert generation_in_the_database(app, alice) == 2
    alice.tokens = answers[7].json
    assert refreshed(alice).status_code == 200


def test_the_direct_parent_is_forgiven_within_the_grace(app: Flask, alice: Person) -> None:
    first = refreshed(alice).json
    let_time_pass(app, alice, REUSE_GRACE_S - 2)
    again = refreshed(alice)
    assert again.status_code == 200
    assert generation(again.json["refresh_token"]) == generation(first["refresh_token"]) == 2


def assert_the_family_is_dead(app: Flask, alice: Person, *tokens: dict[str, str]) -> None:
    for pair in tokens:
        assert_refused(alice.get("/users/me", token=pair["access_token"]), code="token_revoked")
        assert_refused(refreshed(alice, pair["refresh_token"]), code="token_revoked")
    (event,) = events(app, "refresh_reused")
    assert (event.user_id, event.login_id) == (alice.id, claims_of(tokens[0]["access_token"])["login"])
    assert event.request_id
    assert event.ip == "127.0.0.1"


def test_the_direct_parent_after_the_grace_kills_the_family(app: Flask, alice: Person) -> None:
    stolen, new = dict(alice.tokens), refreshed(alice).json
    let_time_pass(app, alice, REUSE_GRACE_S + 1)
    assert_refused(refreshed(alice, stolen["refresh_token"]), code="refresh_token_reused")
    assert_the_family_is_dead(app, alice, stolen, new)


def test_a_grandparent_kills_the_family_even_within_the_grace(app: Flask, alice: Person) -> None:
    stolen = dict(alice.tokens)
    parent = refreshed(alice).json
    new = refreshed(alice, parent["refresh_token"]).json
    assert_refused(refreshed(alice, stolen["refresh_token"]), code="refresh_token_reused")
    assert_the_family_is_dead(app, alice, stolen, parent, new)


def test_a_generation_that_is_still_to_come_kills_the_family(app: Flask, alice: Person) -> None:
    token = minted({**claims_of(alice.tokens["refresh_token"]), "generation": 99})
    assert_refused(refreshed(alice, token), code="refresh_token_reused")
    assert_the_family_is_dead(app, alice, alice.tokens)


def test_a_stolen_token_kills_its_own_family_only(app: Flask, alice: Person, bob: Person) -> None:
    second = another_login(alice)
    stolen = alice.tokens["refresh_token"]
    refreshed(alice)
    let_time_pass(app, alice, REUSE_GRACE_S + 1)
    assert_refused(refreshed(alice, stolen), code="refresh_token_reused")
    for other in (second, bob):
        assert other.get("/users/me").status_code == 200
        assert refreshed(other).status_code == 200


def test_reuse_by_twenty_at_once_kills_the_family(app: Flask, alice: Person) -> None:
    stolen = alice.tokens["refresh_token"]
    refreshed(alice)
    let_time_pass(app, alice, REUSE_GRACE_S + 1)
    thieves = [at(app, alice) for _ in range(20)]
    answers = all_at_once([lambda thief=thief: refreshed(thief, stolen) for thief in thieves])
    assert {answer.status_code for answer in answers} == {401}
    assert_refused(alice.get("/users/me"), code="token_revoked")
    assert {event.user_id for event in events(app, "refresh_reused")} == {alice.id}


def change_the_password(person: Person) -> TestResponse:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    return person.call("PUT", "/users/me/password", json=body)


@pytest.mark.parametrize("lose_it", [lambda person: person.post(LOGOUT), change_the_password], ids=["logout", "new"])
def test_a_refresh_that_the_end_of_its_login_overtakes_is_refused(
    make_app: MakeApp, alice: Person, monkeypatch: pytest.MonkeyPatch, lose_it: Callable[[Person], TestResponse]
) -> None:
    elsewhere, rotate = at(make_app(), alice), logins.rotate

    def overtaken(claims: Claims) -> Login:
        assert lose_it(elsewhere).status_code in (200, 204)  # The guard has let the refresh through already.
        return rotate(claims)

    monkeypatch.setattr(logins, "rotate", overtaken)
    assert_refused(refreshed(alice), code="token_revoked")


@pytest.mark.parametrize("step", [at_commit, between_commit_and_fence])
def test_what_a_refresh_was_given_while_the_password_changed_is_dead(
    app: Flask, make_app: MakeApp, alice: Person, database_url: str, step: Step
) -> None:
    elsewhere = at(make_app(), alice)
    with app.app_context(), Meanwhile(database_url, lambda: refreshed(elsewhere)) as refresh:
        with step(refresh.begins):
            assert change_the_password(alice).status_code == 200
        answer = refresh.result()
    issued = [alice.tokens, *([answer.json] if answer.status_code == 200 else [])]
    for tokens in issued:
        assert_refused(elsewhere.get("/users/me", token=tokens["access_token"]), code="token_revoked")
        assert_refused(refreshed(elsewhere, tokens["refresh_token"]), code="token_revoked")


def test_what_a_refresh_was_given_before_the_password_was_changed_is_dead(
    app: Flask, make_app: MakeApp, alice: Person, database_url: str
) -> None:
    elsewhere = at(make_app(), alice)
    with app.app_context(), Meanwhile(database_url, lambda: change_the_password(elsewhere)) as change:
        with at_commit(change.begins):
            answer = refreshed(alice)
        assert (answer.status_code, change.result().status_code) == (200, 200)
    for tokens in (alice.tokens, answer.json):
        assert_refused(alice.get("/users/me", token=tokens["access_token"]), code="token_revoked")
        assert_refused(refreshed(alice, tokens["refresh_token"]), code="token_revoked")


def test_no_token_works_after_a_logout_that_raced_a_refresh_a_hundred_times(make_app: MakeApp) -> None:
    here, there = make_app(ratelimit_enabled=False), make_app(ratelimit_enabled=False)
    alice = Person.registered(here, "alice@example.com")
    elsewhere = at(there, alice)
    refreshed_first = 0  # In how many races the refresh came before the logout.
    for n in range(RACES):
        alice.log_in()
        token = alice.tokens[("access_token", "refresh_token")[n % 2]]
        refresh, logged_out = all_at_once([partial(refreshed, alice), partial(elsewhere.post, LOGOUT, token=token)])
        assert logged_out.status_code == 204
        issued = [alice.tokens]
        if refresh.status_code == 200:
            refreshed_first += 1
            issued.append(refresh.json)
        else:
            assert_refused(refresh, code="token_revoked")
        for tokens in issued:
            assert_refused(alice.get("/users/me", token=tokens["access_token"]), code="token_revoked")
            assert_refused(refreshed(elsewhere, tokens["refresh_token"]), code="token_revoked")
    assert refreshed_first, "the refresh never came first: nothing was raced"


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_twenty_logouts_at_once_are_one_logout(app: Flask, alice: Person, kind: str) -> None:
    tabs = [at(app, alice) for _ in range(20)]
    answers = all_at_once([lambda tab=tab: tab.post("/auth/logout", token=tab.tokens[kind]) for tab in tabs])
    assert {answer.status_code for answer in answers} <= {204, 401}
    assert_refused(alice.get("/users/me"))
    assert_refused(refreshed(alice))
