"""Starts that are under way at the same time: one drive, and the answer that each of them should get."""

from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from testbed.people import Person
from tests.shared.clients import client_of_its_own
from tests.shared.crowd import all_at_once
from tests.shared.interleave import after_write, at_commit
from tests.shared.meanwhile import Meanwhile
from webapp.database import db, read_connection

KEY = {"Idempotency-Key": "start-1"}
ONE = {"name": "one", "client_session_id": str(uuid4())}


@pytest.fixture
def app(app: Flask) -> Flask:
    app.test_client_class = client_of_its_own(app)
    return app


def start(app: Flask, person: Person, body: dict[str, Any], headers: dict[str, str]) -> TestResponse:
    """Start a drive from another of the person's connections."""
    return replace(person, client=app.test_client()).post("/sessions", json=body, headers=headers)


def both(
    app: Flask, alice: Person, database_url: str, first: tuple[Any, Any], second: tuple[Any, Any]
) -> tuple[TestResponse, TestResponse]:
    """Have the second start begin when the first one is about to be committed; return both answers."""
    with Meanwhile(database_url, lambda: start(app, alice, *second)) as other:
        with app.app_context(), at_commit(other.begins):
            answer = start(app, alice, *first)
        return answer, other.result()


def drives(person: Person) -> list[dict[str, Any]]:
    return list(person.get("/sessions").json["data"])


@pytest.mark.parametrize("body", [{"name": "one"}, ONE], ids=["key alone", "key and client_session_id"])
def test_two_starts_with_one_key_get_one_answer(
    app: Flask, alice: Person, database_url: str, body: dict[str, str]
) -> None:
    first, second = both(app, alice, database_url, (body, KEY), (body, KEY))
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.data == first.data
    for name in ("ETag", "Location", "Content-Type"):
        assert second.headers[name] == first.headers[name]
    assert len(drives(alice)) == 1


def test_one_key_with_two_bodies_is_refused_the_second_one(app: Flask, alice: Person, database_url: str) -> None:
    first, second = both(app, alice, database_url, ({"name": "one"}, KEY), ({"name": "two"}, KEY))
    assert (first.status_code, second.status_code) == (201, 422)
    assert second.json["code"] == "idempotency_key_reused"
    assert [drive["name"] for drive in drives(alice)] == ["one"]


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "start-2"}], ids=["no key", "another key"])
def test_two_starts_with_one_client_session_id_get_one_drive(
    app: Flask, alice: Person, database_url: str, headers: dict[str, str]
) -> None:
    first, second = both(app, alice, database_url, (ONE, KEY), (ONE, headers))
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json == first.json
    assert start(app, alice, ONE, headers).data == second.data


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "start-2"}], ids=["no key", "another key"])
def test_of_two_different_starts_the_second_one_meets_the_first(
    app: Flask, alice: Person, database_url: str, headers: dict[str, str]
) -> None:
    first, second = both(app, alice, database_url, ({"name": "one"}, KEY), ({"name": "two"}, headers))
    assert (first.status_code, second.status_code) == (201, 409)
    assert (second.json["code"], second.json["session_id"]) == ("session_already_active", first.json["id"])


def test_who_waited_for_a_start_that_failed_does_the_work(app: Flask, alice: Person, database_url: str) -> None:
    with Meanwhile(database_url, lambda: start(app, alice, {"name": "one"}, KEY)) as other:

        def cut_the_connection() -> None:
            pid = db.session.connection().connection.dbapi_connection.info.backend_pid  # type: ignore[union-attr]
            other.begins()
            with read_connection() as connection:
                assert connection.scalar(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})

        with app.app_context(), after_write(cut_the_connection):
            assert start(app, alice, {"name": "one"}, KEY).status_code == 503
        second = other.result()
    assert second.status_code == 201
    assert [drive["id"] for drive in drives(alice)] == [second.json["id"]]
    assert start(app, alice, {"name": "one"}, KEY).data == second.data


def test_two_keys_are_not_in_each_others_way(app: Flask, alice: Person, bob: Person, database_url: str) -> None:
    """Bob has a key of the same name: it is his own."""
    with Meanwhile(database_url, lambda: start(app, bob, {"name": "bob's"}, KEY)) as other:
        with app.app_context(), after_write(other.begins):
            first = start(app, alice, {"name": "alice's"}, KEY)
        assert (first.json["name"], other.result().json["name"]) == ("alice's", "bob's")


@pytest.mark.parametrize("body", [{"name": "one"}, ONE], ids=["key alone", "key and client_session_id"])
def test_twenty_starts_with_one_key_at_once_are_one(app: Flask, alice: Person, body: dict[str, str]) -> None:
    answers = all_at_once([partial(start, app, alice, body, KEY)] * 20)
    assert [answer.status_code for answer in answers] == [201] * 20
    assert len({answer.data for answer in answers}) == 1
    assert len(drives(alice)) == 1
