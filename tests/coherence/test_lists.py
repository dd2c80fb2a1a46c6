"""A list says which drives it shows, and these are fetched after it: what happens in between makes no answer wrong."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from testbed.people import Person
from tests.coherence.reading import HIT
from tests.shared.interleave import Act
from webapp.cache import fills
from webapp.door.hot_reads import HotReads
from webapp.driving import cached_sessions

Write = Callable[[Person, str], object]


@contextmanager
def between_list_and_drives(act: Act) -> Iterator[None]:
    """Act when the next reader has fetched a list, before it fetches the drives: in the event loop, or in Flask."""
    acts = [act]
    get, get_many, fetch = cached_sessions.get, fills.get_many, HotReads._sessions

    def act_once() -> None:
        if acts:
            acts.pop()()

    def getting(session_id: str) -> Any:
        act_once()
        return get(session_id)

    def getting_many(*arguments: Any) -> Any:
        act_once()
        return get_many(*arguments)

    async def fetching(hot_reads: HotReads, ids: Sequence[str]) -> Any:
        await asyncio.to_thread(act_once)
        return await fetch(hot_reads, ids)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cached_sessions, "get", getting)
        patch.setattr(fills, "get_many", getting_many)
        patch.setattr(HotReads, "_sessions", fetching)
        yield
    assert not acts, "nobody came between the two"


@pytest.fixture
def drives(alice: Person) -> list[str]:
    """The ids of three drives of Alice's, newest first, of which the first one goes on. The list is cached."""
    ids = []
    for hour in range(3):
        started_at = f"2026-01-05T0{hour}:00:00Z"
        ids.insert(0, str(alice.starts_a_drive(name="old", started_at=started_at)["id"]))
        if hour < 2:
            end(alice, ids[0])
    assert [alice.get("/sessions").headers["Cache-Status"] for _ in range(2)][1] == HIT
    assert alice.get("/sessions/active").headers["Cache-Status"] == HIT
    return ids


def end(driver: Person, drive_id: str) -> None:
    assert driver.post(f"/sessions/{drive_id}/end", json={}).status_code == 200


def rename(driver: Person, drive_id: str) -> None:
    assert driver.patch(f"/sessions/{drive_id}", json={"name": "new"}).status_code == 200


def delete(driver: Person, drive_id: str) -> None:
    assert driver.delete(f"/sessions/{drive_id}").status_code == 204


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_drive_that_is_deleted_in_between_is_not_shown_and_the_others_are(
    alice: Person, drives: list[str], index: int
) -> None:
    with between_list_and_drives(lambda: delete(alice, drives[index])):
        answer = alice.get("/sessions")
    assert answer.status_code == 200
    assert [row["id"] for row in answer.json["data"]] == [id for id in drives if id != drives[index]]
    assert answer.json == alice.get("/sessions").json == alice.get("/sessions?from=2026-01-01T00:00:00Z").json


@pytest.mark.parametrize(
    ("write", "column", "value"),
    [(rename, "name", "new"), (end, "status", "completed")],
    ids=["renamed", "ended"],
)
def test_a_drive_that_is_changed_in_between_is_shown_as_it_is_then(
    alice: Person, drives: list[str], write: Write, column: str, value: str
) -> None:
    with between_list_and_drives(lambda: write(alice, drives[0])):
        answer = alice.get("/sessions")
    assert [row["id"] for row in answer.json["data"]] == drives
    assert answer.json["data"][0][column] == value


@pytest.mark.parametrize("write", [end, delete], ids=["ended", "deleted"])
def test_a_drive_that_is_over_in_between_is_not_the_active_one(alice: Person, drives: list[str], write: Write) -> None:
    with between_list_and_drives(lambda: write(alice, drives[0])):
        answer = alice.get("/sessions/active")
    assert (answer.status_code, answer.json["code"]) == (404, "no_active_session")


def test_the_active_drive_may_be_followed_by_another_in_between(alice: Person, drives: list[str]) -> None:
    def end_and_start() -> None:
        end(alice, drives[0])
        alice.starts_a_drive(name="another")

    with between_list_and_drives(end_and_start):
        answer = alice.get("/sessions/active")
    # There was a moment without one.
    assert answer.status_code == 404 or (answer.json["status"], answer.json["name"]) == ("active", "another")
    assert alice.get("/sessions/active").json["name"] == "another"


def test_an_active_drive_that_is_renamed_in_between_has_its_new_name(alice: Person, drives: list[str]) -> None:
    with between_list_and_drives(lambda: rename(alice, drives[0])):
        answer = alice.get("/sessions/active")
    assert (answer.json["id"], answer.json["name"]) == (drives[0], "new")
