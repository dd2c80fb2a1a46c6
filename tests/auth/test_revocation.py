"""Whoever loses a login is refused on the next request, in every process, with the user and the session hot in the
cache.
"""

from collections.abc import Callable

import pytest
from flask import Flask

from testbed.people import PASSWORD, Person
from tests.auth.forgery import claims_of
from tests.shared.answers import assert_refused
from tests.shared.attacked import MakeApp
from tests.shared.elsewhere import (
    NEW_PASSWORD,
    WAYS_TO_LOSE_A_LOGIN,
    Scene,
    another_login,
    at,
    deactivate,
    deactivate_and_activate_again,
    delete_the_account,
    log_out_everywhere,
    make_admin,
)
from webapp.accounts import present_password
from webapp.auth.guard import Caller


@pytest.fixture
def scene(app: Flask, alice: Person) -> Scene:
    admin = make_admin(app, Person.registered(app, "admin@example.com"))
    return Scene(app, alice, another_login(alice), admin)


def warm(person: Person, path: str) -> None:
    """Read until user and session are hot and the token is remembered, so that the door answers."""
    for _ in range(3):
        answer = person.get(path)
    assert answer.headers["Cache-Status"] == "session-cache; hit"
    assert person.get("/users/me").status_code == 200


def assert_locked_out(person: Person, path: str) -> None:
    """Assert that neither of the tokens does anything any more."""
    for way in (path, "/users/me", "/sessions", "/auth/logins"):
        assert_refused(person.get(way))
    for token in person.tokens["access_token"], person.tokens["refresh_token"]:
        assert_refused(person.post("/auth/refresh", token=token))
        assert_refused(person.post("/auth/logout", token=token))
    assert_refused(person.post("/sessions", json={}))


@pytest.mark.parametrize("lose_it", WAYS_TO_LOSE_A_LOGIN, ids=lambda way: way.__name__.replace("_", " "))
def test_a_lost_login_is_lost_at_once_in_every_process(
    scene: Scene, make_app: MakeApp, lose_it: Callable[[Scene], None]
) -> None:
    path = f"/sessions/{scene.alice.starts_a_drive()['id']}"
    elsewhere = at(make_app(), scene.alice)
    warm(scene.alice, path)
    warm(elsewhere, path)
    lose_it(scene)
    assert_locked_out(elsewhere, path)
    assert_locked_out(scene.alice, path)


def test_a_logout_ends_this_login_only(scene: Scene, make_app: MakeApp) -> None:
    second = at(make_app(), scene.second_device)
    assert second.get("/users/me").status_code == 200
    scene.alice.post("/auth/logout")
    assert second.get("/users/me").status_code == 200
    assert second.post("/auth/refresh", token=second.tokens["refresh_token"]).status_code == 200


def test_a_logout_ends_what_was_refreshed_before_it(alice: Person, make_app: MakeApp) -> None:
    first = dict(alice.tokens)
    refreshed = alice.post("/auth/refresh", token=first["refresh_token"]).json
    assert alice.post("/auth/logout", token=first["access_token"]).status_code == 204
    for tokens in (first, refreshed):
        holder = at(make_app(), alice)
        holder.tokens = tokens
        assert_locked_out(holder, "/sessions/active")


def test_who_changes_the_password_goes_on_with_the_new_tokens(scene: Scene, make_app: MakeApp) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    tokens = scene.alice.call("PUT", "/users/me/password", json=body).json
    elsewhere = at(make_app(), scene.alice)
    elsewhere.tokens = tokens
    assert elsewhere.get("/users/me").status_code == 200
    assert elsewhere.post("/auth/refresh", token=tokens["refresh_token"]).status_code == 200
    assert_locked_out(scene.second_device, "/sessions/active")


def test_a_new_password_ends_every_token_of_the_login_that_set_it(scene: Scene, make_app: MakeApp) -> None:
    parent = dict(scene.alice.tokens)
    scene.alice.tokens = scene.alice.post("/auth/refresh", token=parent["refresh_token"]).json
    path = f"/sessions/{scene.alice.starts_a_drive()['id']}"
    elsewhere = at(make_app(), scene.alice)
    warm(elsewhere, path)
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    new = scene.alice.call("PUT", "/users/me/password", json=body).json
    for place in (elsewhere, scene.alice):
        for place.tokens in (parent, dict(scene.alice.tokens)):
            assert_locked_out(place, path)
    assert elsewhere.get(path, token=new["access_token"]).status_code == 200


def test_a_new_password_begins_a_new_login(scene: Scene) -> None:
    old = {row["id"] for row in scene.alice.get("/auth/logins").json["data"]}
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    headers = {"User-Agent": "the app, version 2"}
    answer = scene.alice.call("PUT", "/users/me/password", json=body, headers=headers)
    scene.alice.tokens = answer.json
    (row,) = scene.alice.get("/auth/logins").json["data"]
    assert row["id"] not in old
    assert (row["current"], row["user_agent"], row["ip"]) == (True, "the app, version 2", "127.0.0.1")
    assert claims_of(answer.json["refresh_token"])["generation"] == 1


@pytest.mark.parametrize("lose_it", [log_out_everywhere, deactivate_and_activate_again])
def test_a_login_that_was_lost_meanwhile_begins_no_other_one(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, lose_it: Callable[[Scene], None]
) -> None:
    require = present_password.require

    def overtaken(caller: Caller, password: str) -> str:
        checked = require(caller, password)
        lose_it(scene)  # The guard has let the change through already.
        return checked

    monkeypatch.setattr(present_password, "require", overtaken)
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert_refused(scene.alice.call("PUT", "/users/me/password", json=body), code="token_revoked")
    assert scene.alice.log_in(), "the old password still opens"


def test_the_old_password_does_not_log_in_any_more(scene: Scene) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    scene.alice.call("PUT", "/users/me/password", json=body)
    credentials = {"email": scene.alice.email, "password": PASSWORD}
    assert_refused(scene.alice.client.post("/api/v1/auth/login", json=credentials), code="invalid_credentials")
    credentials["password"] = NEW_PASSWORD
    assert scene.alice.client.post("/api/v1/auth/login", json=credentials).status_code == 200


@pytest.mark.parametrize("close", [deactivate, delete_the_account], ids=["deactivated", "deleted"])
def test_a_closed_account_does_not_log_in(scene: Scene, close: Callable[[Scene], None]) -> None:
    close(scene)
    credentials = {"email": scene.alice.email, "password": PASSWORD}
    answer = scene.alice.client.post("/api/v1/auth/login", json=credentials)
    assert_refused(answer, code="invalid_credentials")


def test_an_activated_account_logs_in_again_and_its_old_tokens_stay_dead(scene: Scene) -> None:
    old = at(scene.app, scene.alice)
    for is_active in (False, True):
        scene.admin.patch(f"/admin/users/{scene.alice.id}", json={"is_active": is_active})
    assert scene.alice.log_in()
    assert scene.alice.get("/users/me").status_code == 200
    assert_locked_out(old, "/sessions/active")


def test_a_new_account_with_the_address_of_a_deleted_one_is_another_one(scene: Scene) -> None:
    path = f"/sessions/{scene.alice.starts_a_drive(name='old')['id']}"
    old = at(scene.app, scene.alice)
    delete_the_account(scene)
    new = Person.registered(scene.app, scene.alice.email)
    assert new.id != old.id
    assert new.get(path).status_code == 404
    assert new.get("/sessions").json == {"data": [], "next_cursor": None, "has_more": False}
    assert_locked_out(old, path)


def test_a_role_is_gained_and_lost_at_once_in_every_process(scene: Scene, make_app: MakeApp) -> None:
    elsewhere = at(make_app(), scene.alice)
    assert elsewhere.get("/admin/users").status_code == 403
    scene.admin.patch(f"/admin/users/{scene.alice.id}", json={"role": "admin"})
    assert elsewhere.get("/admin/users").status_code == 200
    scene.admin.patch(f"/admin/users/{scene.alice.id}", json={"role": "driver"})
    assert elsewhere.get("/admin/users").status_code == 403


@pytest.mark.parametrize("write", [str, str.upper, "{%s}".__mod__, "urn:uuid:%s".__mod__], ids=["", "A-F", "{}", "urn"])
def test_administrators_do_not_change_their_own_role(scene: Scene, write: Callable[[str], str]) -> None:
    answer = scene.admin.patch(f"/admin/users/{write(scene.admin.id)}", json={"role": "driver"})
    assert answer.status_code in (404, 409)
    assert scene.admin.get("/admin/users").status_code == 200


def test_the_login_beyond_the_last_allowed_ends_the_one_used_longest_ago(app: Flask, make_app: MakeApp) -> None:
    alice = Person.registered(make_app(max_logins_per_user=2), "alice@example.com")
    devices = [another_login(alice) for _ in range(2)]
    assert_locked_out(at(app, alice), "/sessions/active")
    assert [device.get("/users/me").status_code for device in devices] == [200, 200]


def test_mallory_cannot_revoke_a_login_of_alices(alice: Person, bob: Person) -> None:
    login_id = alice.get("/auth/logins").json["data"][0]["id"]
    assert bob.delete(f"/auth/logins/{login_id}").status_code == 404
    assert alice.get("/users/me").status_code == 200
