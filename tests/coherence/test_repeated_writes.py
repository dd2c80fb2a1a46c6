"""A write that is repeated and changes nothing is acknowledged after the whole procedure, too.

Whoever did it first may have died after its COMMIT, when its first fence had been lost: an old value is in the cache,
and nobody knows. What the client then hears, a second time or for the first time, is an acknowledgement.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from flask import Flask

from testbed.people import Person
from webapp.auth.cached_users import USERS
from webapp.cache import fills
from webapp.cache.entries import Entry, new_lease_token
from webapp.cache.redis import Cache
from webapp.clock import utcnow
from webapp.database import db
from webapp.driving.cached_lists import SESSION_LISTS
from webapp.driving.cached_sessions import SESSIONS
from webapp.models import DrivingSession

READINGS = {"readings": [{"seq": 0, "t": "2026-01-05T08:00:00Z", "speed_mps": 1.0}]}
CLIENT_SESSION_ID = str(uuid4())
AS_IT_BEGAN = {"If-Match": '"1"'}

Write = Callable[[Person, str], int]


def rename(driver: Person, path: str) -> int:
    return driver.patch(path, json={"name": "new"}).status_code


def end(driver: Person, path: str) -> int:
    return driver.post(f"{path}/end", json={}).status_code


def delete(driver: Person, path: str) -> int:
    return driver.delete(path).status_code


def upload(driver: Person, path: str) -> int:
    return driver.post(f"{path}/readings", json=READINGS).status_code


def start_with_its_own_id(driver: Person, _path: str) -> int:
    body = {"client_session_id": CLIENT_SESSION_ID, "started_at": "2026-01-05T08:00:00Z"}
    return driver.post("/sessions", json=body).status_code


def start_with_a_key(driver: Person, _path: str) -> int:
    body = {"started_at": "2026-01-05T08:00:00Z"}
    return driver.post("/sessions", json=body, headers={"Idempotency-Key": CLIENT_SESSION_ID}).status_code


def rename_what_it_knows(driver: Person, path: str) -> int:
    return driver.patch(path, json={"name": "new"}, headers=AS_IT_BEGAN).status_code


def end_what_it_knows(driver: Person, path: str) -> int:
    return driver.post(f"{path}/end", json={}, headers=AS_IT_BEGAN).status_code


def start_without_an_id(driver: Person, _path: str) -> int:
    return driver.post("/sessions", json={"started_at": "2026-01-05T08:00:00Z"}).status_code


WRITES: dict[str, tuple[Write, tuple[int, int]]] = {
    "a PATCH with nothing new": (rename, (200, 200)),
    "a second end": (end, (200, 200)),
    "DELETE again": (delete, (204, 404)),
    "an upload whose receipt was lost": (upload, (200, 200)),
    "a kept client_session_id": (start_with_its_own_id, (201, 201)),
    "a kept Idempotency-Key": (start_with_a_key, (201, 201)),
    # Refusals, which tell who repeats a write that it was done.
    "a PATCH of the version before": (rename_what_it_knows, (200, 412)),
    "an end of the version before": (end_what_it_knows, (200, 412)),
    "a start while that drive goes on": (start_without_an_id, (201, 409)),
}
STARTS = (start_with_its_own_id, start_with_a_key, start_without_an_id)


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def put_back(cache: Cache, key: str, entry: Entry) -> None:
    """Put what was cached before a write, as if its fences had been lost and its writer with them."""
    token = new_lease_token()
    cache.client.delete(key)
    cache.entries.lease([key], token)
    assert cache.entries.put({key: entry}, 300, token) == [True]


@pytest.mark.parametrize("name", WRITES)
def test_a_repeated_write_is_fenced_like_the_first_one(context: None, alice: Person, cache: Cache, name: str) -> None:
    write, statuses = WRITES[name]
    if write in STARTS:
        assert write(alice, "") == statuses[0]
        session_id = alice.get("/sessions").json["data"][0]["id"]
        session = Entry(0, "")  # That there is no such session may be cached, too.
        listed = Entry(0, "[[],null,false,null]")
    else:
        session_id = alice.starts_a_drive(started_at="2026-01-05T08:00:00Z")["id"]
        session, listed = fills.load(SESSIONS, session_id), fills.load(SESSION_LISTS, alice.id)
        assert write(alice, f"/sessions/{session_id}") == statuses[0]
    put_back(cache, SESSIONS.key(session_id), session)
    put_back(cache, SESSION_LISTS.key(alice.id), listed)

    assert write(alice, f"/sessions/{session_id}") == statuses[1]
    assert fills.get(SESSIONS, session_id)[0] == fills.load(SESSIONS, session_id)
    assert fills.get(SESSION_LISTS, alice.id)[0] == fills.load(SESSION_LISTS, alice.id)


@pytest.mark.parametrize("name", WRITES)
def test_a_repeated_write_raises_no_version(context: None, alice: Person, name: str) -> None:
    write, _ = WRITES[name]
    path = ""
    if write not in STARTS:
        path = f"/sessions/{alice.starts_a_drive(started_at='2026-01-05T08:00:00Z')['id']}"
    write(alice, path)
    session_id = path.rpartition("/")[2] or alice.get("/sessions").json["data"][0]["id"]
    before = fills.load(SESSIONS, session_id), fills.load(SESSION_LISTS, alice.id)
    write(alice, path)
    assert (fills.load(SESSIONS, session_id), fills.load(SESSION_LISTS, alice.id)) == before


def test_a_deletion_is_seen_by_everybody_before_a_start_is_refused_for_it(
    context: None, alice: Person, cache: Cache
) -> None:
    session_id = alice.starts_a_drive(client_session_id=CLIENT_SESSION_ID)["id"]
    before = fills.load(SESSIONS, session_id)
    assert alice.delete(f"/sessions/{session_id}").status_code == 204
    put_back(cache, SESSIONS.key(session_id), before)
    again = alice.post("/sessions", json={"client_session_id": CLIENT_SESSION_ID})
    assert (again.status_code, again.json["code"]) == (409, "session_deleted")
    assert alice.get(f"/sessions/{session_id}").status_code == 404


def test_the_end_of_a_drive_is_seen_by_everybody_before_readings_are_refused_for_it(
    context: None, alice: Person, cache: Cache
) -> None:
    session_id = alice.starts_a_drive()["id"]
    before = fills.load(SESSIONS, session_id)
    assert end(alice, f"/sessions/{session_id}") == 200
    db.session.get_one(DrivingSession, session_id).closed_at = utcnow() - timedelta(days=2)
    db.session.commit()
    put_back(cache, SESSIONS.key(session_id), before)
    refused = alice.post(f"/sessions/{session_id}/readings", json=READINGS)
    assert (refused.status_code, refused.json["code"]) == (409, "session_closed")
    assert alice.get(f"/sessions/{session_id}").json["status"] == "completed"


def test_a_refused_start_keeps_no_answer_under_its_idempotency_key(context: None, alice: Person) -> None:
    active = alice.starts_a_drive()["id"]
    keyed = {"json": {}, "headers": {"Idempotency-Key": "again"}}
    assert alice.post("/sessions", **keyed).json["session_id"] == active
    assert end(alice, f"/sessions/{active}") == 200
    assert alice.post("/sessions", **keyed).status_code == 201


def test_a_login_that_is_ended_again_is_dead_for_everybody_before_that_is_told(
    context: None, alice: Person, cache: Cache
) -> None:
    ended = alice.tokens["access_token"]
    alice.log_in()
    [other] = [login["id"] for login in alice.get("/auth/logins").json["data"] if not login["current"]]
    raw = str(cache.client.get(USERS.key(alice.id)))
    assert alice.delete(f"/auth/logins/{other}").status_code == 204
    cache.client.set(USERS.key(alice.id), raw)
    assert alice.delete(f"/auth/logins/{other}").status_code == 404
    assert alice.get("/users/me", token=ended).status_code == 401
