"""Redis, the log and the database hold no password, no token and no hash where they do not belong.

What a test left is searched so when it ends, in each folder whose conftest takes `nothing_leaks`. These search a whole
life, and prove that the search finds what it looks for.
"""

from collections.abc import Callable

import psycopg
import pytest
from flask import Flask

from embedded.postgres import Postgres
from embedded.valkey import Valkey
from testbed.applications import closed
from testbed.people import PASSWORD, Person
from tests.auth.forgery import claims_of
from tests.shared.attacked import MakeApp
from tests.shared.elsewhere import NEW_PASSWORD, at, let_time_pass
from tests.shared.leaks import leaks_of_database, leaks_of_log, leaks_of_redis
from webapp import create_app
from webapp.auth.logins import REUSE_GRACE_S
from webapp.config import Settings
from webapp.logs import request_log


def whole_life(app: Flask, person: Person) -> None:
    """Do everything that has to do with passwords and tokens, right and wrong."""
    drive = person.post("/sessions", json={"name": "x"}, headers={"Idempotency-Key": "k"}).json
    person.get(f"/sessions/{drive['id']}")
    person.client.post("/api/v1/auth/login", json={"email": person.email, "password": f"{PASSWORD} wrong"})
    person.client.post("/api/v1/auth/login", json={"email": "nobody@example.com", "password": PASSWORD})
    person.client.post("/api/v1/auth/register", json={"email": person.email, "password": PASSWORD, "full_name": "x"})
    person.client.post("/api/v1/auth/register", json={"email": PASSWORD, "password": PASSWORD, "full_name": "x"})
    person.client.post("/api/v1/auth/login", data=f'{{"password": "{PASSWORD}"', content_type="application/json")
    person.client.post("/api/v1/auth/login", json={"email": [PASSWORD], "password": {"x": PASSWORD}})
    person.get("/users/me", token=person.tokens["access_token"] + "x")
    person.get("/users/me", token=person.tokens["refresh_token"])
    stolen = at(app, person)
    person.tokens = person.post("/auth/refresh", token=person.tokens["refresh_token"]).json
    let_time_pass(app, person, REUSE_GRACE_S + 1)
    stolen.post("/auth/refresh", token=stolen.tokens["refresh_token"])
    person.log_in()
    wrong = {"current_password": f"{PASSWORD} wrong", "new_password": NEW_PASSWORD}
    person.call("PUT", "/users/me/password", json=wrong)
    changed = person.call("PUT", "/users/me/password", json={**wrong, "current_password": PASSWORD})
    assert changed.status_code == 200
    person.tokens = changed.json
    person.post("/auth/logout", token=person.tokens["refresh_token"])
    other = Person.registered(app, "other@example.com")
    other.post("/auth/logout-all")
    other.log_in()
    other.delete("/users/me", json={"password": f"{PASSWORD} wrong"})
    assert other.delete("/users/me", json={"password": PASSWORD}).status_code == 204
    # What was fenced holds nothing any more: somebody's account and drives stay hot for the search.
    hot = Person.registered(app, "hot@example.com")
    path = f"/sessions/{hot.starts_a_drive()['id']}"
    for way in ("/users/me", "/sessions", path, path):
        assert hot.get(way).status_code == 200


def database(url: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(url.replace("+psycopg", ""))


@pytest.mark.parametrize("app_env", ["development", "production"])
def test_a_whole_life_leaves_no_secret_behind(
    capsys: pytest.CaptureFixture[str], valkey: Valkey, database_url: str, make_app: MakeApp, app_env: str
) -> None:
    app = make_app(app_env=app_env)
    whole_life(app, Person.registered(app, "alice@example.com"))
    request_log.flush()
    log = capsys.readouterr().err
    assert "/api/v1/auth/login" in log
    assert leaks_of_log(log) == []
    assert leaks_of_redis(valkey.url) == []
    with database(database_url) as connection:
        assert leaks_of_database(connection) == []


PLANTS: dict[str, Callable[[Person], str]] = {
    "an access token": lambda alice: f"x {alice.tokens['access_token']} x",
    "a refresh token": lambda alice: alice.tokens["refresh_token"],
    "a password": lambda alice: f"password={PASSWORD}",
    "a hash": lambda alice: "$argon2id$v=19$m=8,t=2,p=1$c2FsdHNhbHQ$aGFzaA",
}


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS.keys())
def test_the_search_finds_what_was_planted(
    alice: Person, valkey: Valkey, database_url: str, plant: Callable[[Person], str]
) -> None:
    planted = plant(alice)
    assert leaks_of_log(f"a line\n{planted}\n") != []
    alices_redis = alice.client.application.extensions["cache"].client
    for write in (
        lambda: alices_redis.set("planted", planted),
        lambda: alices_redis.set(planted, "1"),
        lambda: alices_redis.lpush("planted", planted),
        lambda: alices_redis.sadd("planted", planted),
        lambda: alices_redis.hset("planted", "field", planted),
        lambda: alices_redis.zadd("planted", {planted: 1}),
    ):
        write()
        assert leaks_of_redis(valkey.url) != []
        alices_redis.flushall()
    with database(database_url) as connection:
        for table, column in (("users", "full_name"), ("logins", "user_agent"), ("audit_events", "request_id")):
            connection.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE text")
            connection.execute(f"UPDATE {table} SET {column} = %s", [planted])
            assert leaks_of_database(connection) == [f"database: {table}.{column}"]
            connection.rollback()


def test_a_defect_of_the_database_writes_no_hash_into_the_log(
    capsys: pytest.CaptureFixture[str], app: Flask, settings: Settings, postgres: Postgres, way_in: str
) -> None:
    empty = postgres.create_database(f"no_tables_{way_in}")
    without_tables = create_app(settings.model_copy(update={"database_url": empty}))
    try:
        body = {"email": "alice@example.com", "password": PASSWORD, "full_name": "Alice"}
        assert without_tables.test_client().post("/api/v1/auth/register", json=body).status_code == 500
        request_log.flush()
        log = capsys.readouterr().err
        assert "unexpected_error" in log
        assert leaks_of_log(log) == []
    finally:
        closed(without_tables)


def test_the_audit_trail_tells_what_happened_with_request_id_and_address(alice: Person, database_url: str) -> None:
    named = {"X-Request-ID": "the-failed-one"}
    guess = {"email": alice.email, "password": f"{PASSWORD} wrong"}
    alice.client.post("/api/v1/auth/login", json=guess, headers=named)
    assert alice.delete("/users/me", json={"password": f"{PASSWORD} wrong"}).status_code == 403
    passwords = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    changed = alice.call("PUT", "/users/me/password", json=passwords)
    assert changed.status_code == 200
    query = "SELECT event, request_id, login_id::text, ip, user_id::text FROM audit_events ORDER BY created_at, id"
    with database(database_url) as connection:
        rows = connection.execute(query).fetchall()
    told = ["registered", "login", "login_failed", "login_failed", "password_changed", "login"]
    assert [row[0] for row in rows] == told
    assert rows[2][1:3] == ("the-failed-one", None)
    first, second = (claims_of(tokens["access_token"])["login"] for tokens in (alice.tokens, changed.json))
    assert [row[2] for row in rows[3:]] == [first, first, second]
    assert all(row[1] and row[3:] == ("127.0.0.1", alice.id) for row in rows)
