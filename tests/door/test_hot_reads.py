"""Hot reads: the door's answers are Flask's, and cost one Redis command, or two where a list says what to fetch. What
is unusual is left to Flask.
"""

import asyncio
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder

from testbed.people import Person
from tests.door.costs import counted
from tests.shared.answers import assert_refused, without_what_differs
from tests.shared.doors import DoorKeeper, scope_of
from webapp.cache import keys
from webapp.cache.redis import Cache, cache_of
from webapp.door import Door

NEVER_WAS = "/sessions/01a20696-0000-7000-8000-000000000000"


def warm_reads(alice: Person) -> list[str]:
    """Start a drive, and read all that can be hot until it is; return the paths."""
    paths = [f"/sessions/{alice.starts_a_drive()['id']}", "/sessions", "/users/me", "/sessions/active"]
    for path in paths * 2:
        assert alice.get(path).status_code == 200
    return paths


@pytest.fixture(params=[0, 1, 2, 3], ids=["a session", "the list", "the user", "the active session"])
def path(alice: Person, request: pytest.FixtureRequest) -> str:
    return warm_reads(alice)[request.param]


def commands_of(path: str) -> list[str]:
    """Return the commands of a hot read: what stands in the caller's list is known only when that has been read."""
    return ["mget"] * (2 if path in ("/sessions", "/sessions/active") else 1)


def test_a_hot_read_is_one_redis_command_or_two_and_nothing_else(app: Flask, alice: Person, path: str) -> None:
    with counted(app) as cost:
        assert alice.get(path).status_code == 200
    assert (cost.commands, cost.statements, cost.decodes, cost.calls_of_flask) == (commands_of(path), [], 0, 0)


def test_an_empty_list_is_one_redis_command(app: Flask, alice: Person) -> None:
    assert [alice.get("/sessions").json["data"] for _ in range(2)] == [[], []]
    with counted(app) as cost:
        assert alice.get("/sessions").json["data"] == []
    assert (cost.commands, cost.statements, cost.calls_of_flask) == (["mget"], [], 0)


@pytest.mark.parametrize("index", [0, 3], ids=["a session", "the active session"])
def test_a_not_modified_answer_costs_the_same(app: Flask, alice: Person, index: int) -> None:
    path = warm_reads(alice)[index]
    etag = alice.get(path).headers["ETag"]
    with counted(app) as cost:
        answer = alice.get(path, headers={"If-None-Match": etag})
    assert (answer.status_code, answer.data) == (304, b"")
    assert (cost.commands, cost.statements, cost.decodes, cost.calls_of_flask) == (commands_of(path), [], 0, 0)


def test_reads_of_the_same_moment_share_a_command(
    app: Flask, alice: Person, door: Door, keeper: DoorKeeper, path: str
) -> None:
    async def at_once() -> None:
        await asyncio.gather(*(door(scope(alice, path), nothing, nothing) for _ in range(20)))

    with counted(app) as cost:
        keeper.run(at_once())
    # The first one may be on its way already when the others come, and these go together.
    assert len(cost.commands) <= 2 * len(commands_of(path))
    assert (cost.statements, cost.calls_of_flask) == ([], 0)


def scope(person: Person, path: str, **headers: str) -> Any:
    """Describe a request."""
    headers = {"Authorization": f"Bearer {person.tokens['access_token']}", **headers}
    return scope_of(EnvironBuilder(f"/api/v1{path}", headers=headers).get_environ())


async def nothing(*_: Any) -> Any:
    """Receive nothing, or take whatever is sent."""


def test_one_who_hangs_up_does_not_keep_the_others_from_their_answers(
    alice: Person, door: Door, keeper: DoorKeeper
) -> None:
    path, sent = warm_reads(alice)[0], []

    async def send(message: Any) -> None:
        sent.append(message)

    async def at_once() -> None:
        tasks = [asyncio.ensure_future(door(scope(alice, path), nothing, send)) for _ in range(9)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.wait(tasks)

    keeper.run(at_once())
    assert [message["status"] for message in sent if "status" in message] == [200] * 4


@pytest.mark.parametrize(
    "if_none_match", [None, '"1"', 'W/"1"', '"0", "1"', '"7"', "*", '"', "1", '"1', 'W/"7", W/"1"'], ids=repr
)
def test_the_door_gives_flasks_answer(app: Flask, alice: Person, path: str, if_none_match: str | None) -> None:
    headers = {"X-Request-ID": "the-same"} | ({"If-None-Match": if_none_match} if if_none_match else {})
    at_the_door = alice.get(path, headers=headers)
    of_flask = Person(FlaskClient(app, app.response_class), alice.email, alice.id, alice.tokens).get(
        path, headers=headers
    )
    assert without_what_differs(at_the_door) == without_what_differs(of_flask)
    assert at_the_door.status_code == of_flask.status_code


@pytest.mark.parametrize(
    "headers",
    [[("Origin", "https://app.example")], [("X-Request-ID", "a"), ("X-Request-ID", "b")], [("Content-Length", "0")]],
    ids=["of another origin", "a header twice", "a body"],
)
def test_what_is_unusual_is_left_to_flask(
    app: Flask, alice: Person, path: str, door: Door, keeper: DoorKeeper, headers: list[tuple[str, str]]
) -> None:
    unusual = scope(alice, path)
    unusual["headers"] += [(name.lower().encode(), value.encode()) for name, value in headers]
    with counted(app) as cost:
        keeper.run(door(unusual, whole, nothing))
    assert cost.calls_of_flask == 1


async def whole() -> Any:
    """Receive a request that has no body."""
    return {"type": "http.request", "body": b"", "more_body": False}


def test_a_query_makes_the_list_another_list(app: Flask, alice: Person) -> None:
    warm_reads(alice)
    with counted(app) as cost:
        assert alice.get("/sessions?status=completed").get_json()["data"] == []
    assert cost.calls_of_flask == 1


def test_a_token_in_two_headers_is_none(alice: Person, door: Door, keeper: DoorKeeper, path: str) -> None:
    twice, sent = scope(alice, path), []

    async def send(message: Any) -> None:
        sent.append(message)

    twice["headers"] += [header for header in twice["headers"] if header[0] == b"authorization"]
    keeper.run(door(twice, nothing, send))
    assert sent[0]["status"] == 401


def test_bob_gets_the_same_404_from_a_hot_session_as_from_one_that_never_was(alice: Person, bob: Person) -> None:
    path, same = warm_reads(alice)[0], {"X-Request-ID": "the-same"}
    bob.get(path)
    foreign, never = bob.get(path, headers=same), bob.get(NEVER_WAS, headers=same)
    assert (foreign.status_code, foreign.data) == (never.status_code, never.data) == (404, never.data)


def test_bob_sees_his_own_list_and_his_own_account(alice: Person, bob: Person) -> None:
    warm_reads(alice)
    for _ in range(2):
        assert bob.get("/sessions").get_json()["data"] == []
        assert bob.get("/users/me").get_json()["email"] == bob.email


def test_nothing_is_hot_while_redis_is_doubted(app: Flask, alice: Person, cache: Cache, path: str) -> None:
    cache.trust.doubt(TimeoutError(), operation="test")
    with counted(app) as cost:
        assert alice.get(path).status_code == 200
    assert cost.calls_of_flask == 1
    with app.app_context():
        cache.trust.settle()
    with counted(app) as cost:
        assert alice.get(path).status_code == 200
    assert cost.calls_of_flask == 0


def test_a_blacklisted_token_is_refused_although_the_user_is_cached(app: Flask, alice: Person, path: str) -> None:
    claims = app.extensions["verified_tokens"].get(alice.tokens["access_token"])
    cache_of(app).client.set(keys.blacklist(claims.jti), "1")
    assert_refused(alice.get(path))


def test_what_was_written_is_read(alice: Person) -> None:
    path, the_list, me, active = warm_reads(alice)
    for name in ("one", "two"):
        alice.patch(path, json={"name": name})
        alice.patch(me, json={"full_name": name})
        for _ in range(2):
            assert alice.get(path).get_json()["name"] == name
            assert alice.get(active).get_json()["name"] == name
            assert alice.get(the_list).get_json()["data"][0]["name"] == name
            assert alice.get(me).get_json()["full_name"] == name
