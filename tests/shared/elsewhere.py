"""The same person at another process, and the ways in which somebody loses the right to call."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import update

from testbed.people import PASSWORD, Person
from tests.shared.answers import assert_refused
from webapp.accounts import administration
from webapp.accounts.schemas import AdminChange
from webapp.auth import logins
from webapp.clock import utcnow
from webapp.database import db
from webapp.models import Login

NEW_PASSWORD = f"{PASSWORD} staple"


def at(app: Flask, person: Person) -> Person:
    """Return the same person, with the same tokens, calling another process."""
    return replace(person, client=app.test_client(), tokens=dict(person.tokens))


def another_login(person: Person) -> Person:
    """Return the same person at another device."""
    device = replace(person, tokens={})
    device.log_in()
    return device


def make_admin(app: Flask, person: Person) -> Person:
    """Give somebody the role of an administrator, as `flask users promote` does."""
    with app.app_context():
        administration.change(person.id, AdminChange(role="admin"), actor_id=None)
        db.session.commit()
        db.session.remove()
    return person


def let_time_pass(app: Flask, login_of: Person, seconds: float) -> None:
    """Put the last rotation of somebody's logins so far into the past."""
    with app.app_context():
        db.session.execute(
            update(Login)
            .where(Login.user_id == login_of.id, Login.rotated_at.is_not(None))
            .values(rotated_at=utcnow() - timedelta(seconds=seconds))
        )
        db.session.commit()
        db.session.remove()


@dataclass
class Scene:
    """Alice at one device, the same at a second one, and an administrator."""

    app: Flask
    alice: Person
    second_device: Person
    admin: Person


def log_out_with_the_access_token(scene: Scene) -> None:
    assert scene.alice.post("/auth/logout").status_code == 204


def log_out_with_the_refresh_token(scene: Scene) -> None:
    assert scene.alice.post("/auth/logout", token=scene.alice.tokens["refresh_token"]).status_code == 204


def log_out_everywhere(scene: Scene) -> None:
    assert scene.second_device.post("/auth/logout-all").status_code == 204


def revoke_the_device(scene: Scene) -> None:
    rows: list[dict[str, Any]] = scene.alice.get("/auth/logins").json["data"]
    (own,) = (row["id"] for row in rows if row["current"])
    assert scene.second_device.delete(f"/auth/logins/{own}").status_code == 204


def change_the_password_elsewhere(scene: Scene) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert scene.second_device.call("PUT", "/users/me/password", json=body).status_code == 200


def change_the_password_here(scene: Scene) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert scene.alice.call("PUT", "/users/me/password", json=body).status_code == 200


def deactivate(scene: Scene) -> None:
    assert scene.admin.patch(f"/admin/users/{scene.alice.id}", json={"is_active": False}).status_code == 200


def deactivate_and_activate_again(scene: Scene) -> None:
    deactivate(scene)
    assert scene.admin.patch(f"/admin/users/{scene.alice.id}", json={"is_active": True}).status_code == 200


def delete_the_account(scene: Scene) -> None:
    assert scene.second_device.delete("/users/me", json={"password": PASSWORD}).status_code == 204


def use_an_old_refresh_token(scene: Scene) -> None:
    stolen = scene.alice.tokens["refresh_token"]
    assert scene.alice.post("/auth/refresh", token=stolen).status_code == 200
    let_time_pass(scene.app, scene.alice, logins.REUSE_GRACE_S + 1)
    assert_refused(scene.alice.post("/auth/refresh", token=stolen), code="refresh_token_reused")


WAYS_TO_LOSE_A_LOGIN: tuple[Callable[[Scene], None], ...] = (
    log_out_with_the_access_token,
    log_out_with_the_refresh_token,
    log_out_everywhere,
    revoke_the_device,
    change_the_password_elsewhere,
    change_the_password_here,
    deactivate,
    deactivate_and_activate_again,
    delete_the_account,
    use_an_old_refresh_token,
)
