"""The hot read's two doors: the edge and Flask's route give the same answer, and the edge costs one round trip."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event
from werkzeug.test import TestResponse

from testbed.people import Person
from webapp.auth import tokens
from webapp.cache import keys
from webapp.cache.redis import Cache
from webapp.database import db
from webapp.edge import Edge


class Cost:
    """What happened while something was counted."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.statements: list[str] = []
        self.decodes = 0


@pytest.fixture
def counted(app: Flask, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Count Redis commands (as the server saw them), SQL statements and token decodes."""

    @contextmanager
    def count() -> Iterator[Cost]:
        cost = Cost()
        before = commands_processed(cache)
        with app.app_context():
            engine = db.engine
        listener = lambda *args: cost.statements.append(args[2])  # noqa: E731 - SQLAlchemy passes six arguments
        event.listen(engine, "before_cursor_execute", listener)
        decode = tokens.decode_token

        def counting(encoded: str) -> Any:
            cost.decodes += 1
            return decode(encoded)

        monkeypatch.setattr(tokens, "decode_token", counting)
        try:
            yield cost
        finally:
            monkeypatch.undo()
            event.remove(engine, "before_cursor_execute", listener)
            cost.commands = difference(before, commands_processed(cache))

    return count


def commands_processed(cache: Cache) -> dict[str, int]:
    stats: dict[str, Any] = cache.client.info("commandstats")
    return {name.removeprefix("cmdstat_"): row["calls"] for name, row in stats.items() if name != "cmdstat_info"}


def difference(before: dict[str, int], after: dict[str, int]) -> list[str]:
    return [name for name, calls in after.items() for _ in range(calls - before.get(name, 0))]


def warm_read(alice: Person) -> str:
    """Start a drive and read it until it is hot; return its path."""
    path = f"/sessions/{alice.starts_a_drive()['id']}"
    for _ in range(2):
        assert alice.get(path).status_code == 200
    return path


def test_a_warm_read_is_one_redis_command_and_no_sql_and_no_token_decode(alice: Person, counted: Any) -> None:
    path = warm_read(alice)
    with counted() as cost:
        answer = alice.get(path)
    assert answer.headers["Cache-Status"] == "session-cache; hit"
    assert (cost.commands, cost.statements, cost.decodes) == (["mget"], [], 0)


def test_a_not_modified_answer_costs_the_same(alice: Person, counted: Any) -> None:
    path = warm_read(alice)
    etag = alice.get(path).headers["ETag"]
    with counted() as cost:
        answer = alice.get(path, headers={"If-None-Match": etag})
    assert (answer.status_code, answer.data) == (304, b"")
    assert (cost.commands, cost.statements, cost.decodes) == (["mget"], [], 0)


def both_doors(app: Flask, person: Person, path: str, headers: dict[str, str]) -> tuple[TestResponse, TestResponse]:
    """Ask through the edge, and then Flask alone."""
    edge = app.wsgi_app
    assert isinstance(edge, Edge)
    through_edge = person.get(path, headers=headers)
    app.wsgi_app = edge._next  # type: ignore[method-assign]
    try:
        return through_edge, person.get(path, headers=headers)
    finally:
        app.wsgi_app = edge  # type: ignore[method-assign]


@pytest.mark.parametrize(
    "if_none_match", [None, '"1"', 'W/"1"', '"0", "1"', '"7"', "*", '"', "1", '"1', 'W/"7", W/"1"'], ids=repr
)
def test_both_doors_give_the_same_answer(app: Flask, alice: Person, if_none_match: str | None) -> None:
    path = warm_read(alice)
    headers = {"X-Request-ID": "the-same"} | ({"If-None-Match": if_none_match} if if_none_match else {})
    through_edge, through_flask = both_doors(app, alice, path, headers)
    assert through_edge.status == through_flask.status
    assert through_edge.data == through_flask.data
    assert dict(through_edge.headers) == dict(through_flask.headers)


def test_bob_gets_the_same_404_from_a_hot_session_as_from_one_that_never_was(alice: Person, bob: Person) -> None:
    path = warm_read(alice)
    same = {"X-Request-ID": "the-same"}
    foreign = bob.get(path, headers=same)
    never = bob.get("/sessions/01a20696-0000-7000-8000-000000000000", headers=same)
    assert (foreign.status_code, foreign.data) == (never.status_code, never.data) == (404, never.data)


def test_the_edge_answers_nothing_while_redis_is_doubted(alice: Person, cache: Cache, app: Flask) -> None:
    path = warm_read(alice)
    cache.trust.doubt(TimeoutError(), operation="test")
    assert alice.get(path).headers["Cache-Status"] == "session-cache; fwd=bypass"
    with app.app_context():
        cache.trust.settle()
    assert alice.get(path).headers["Cache-Status"] == "session-cache; hit"


def test_a_blacklisted_token_is_refused_at_the_hot_read_although_the_user_is_cached(
    alice: Person, app: Flask, cache: Cache
) -> None:
    path = warm_read(alice)
    claims = app.extensions["verified_tokens"].get(alice.tokens["access_token"])
    cache.client.set(keys.blacklist(claims.jti), "1")
    assert alice.get(path).status_code == 401


def test_a_hot_read_that_finds_every_connection_taken_goes_flasks_way(alice: Person, cache: Cache) -> None:
    path = f"/sessions/{alice.starts_a_drive()['id']}"
    held = [cache.hot._pool.get_connection() for _ in range(cache.hot._pool.max_connections)]
    answers = [alice.get(path) for _ in range(3)]
    assert [answer.headers["Cache-Status"] for answer in answers[1:]] == ["session-cache; hit"] * 2
    assert cache.trust.believes()
    for connection in held:
        cache.hot._pool.release(connection)


def test_threads_that_come_and_go_leave_their_connection_to_the_next(alice: Person, cache: Cache, counted: Any) -> None:
    path = warm_read(alice)
    before = cache.client.info("stats")["total_connections_received"]
    answers: list[TestResponse] = []
    with counted() as cost:
        for _ in range(20):
            thread = threading.Thread(target=lambda: answers.append(alice.get(path)))
            thread.start()
            thread.join()
    assert {answer.headers["Cache-Status"] for answer in answers} == {"session-cache; hit"}
    assert (cost.commands, cost.statements) == (["mget"] * 20, [])
    assert cache.client.info("stats")["total_connections_received"] == before
