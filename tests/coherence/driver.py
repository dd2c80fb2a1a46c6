"""A driver whose every answer is held against the oracle: rules of a Hypothesis state machine, through HTTP."""

from collections import Counter
from dataclasses import replace
from itertools import count
from typing import Any
from uuid import uuid4

from flask import Flask
from hypothesis import strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from werkzeug.test import TestResponse

from testbed.people import Person
from tests.coherence.oracle import Account, Drive, subset
from webapp.cache.redis import Cache

MAX_DRIVES = 20  # One page of the list.
NAMES = strategies.sampled_from(["one", "two", "drei", "четыре", None])
FULL_NAMES = strategies.sampled_from(["Alice", "Алиса", "Alice the second"])
SEQS = strategies.sets(strategies.integers(0, 5), min_size=1)
PICKS = strategies.integers(0, MAX_DRIVES)
TIMES = strategies.sampled_from([1, 1, 2])
"""How often a write is done: a client that got no answer repeats it, and what it is told then is a promise, too."""

CLIENT_SESSION_ID = "client_session_id"
RECOGNIZED_BY = strategies.sampled_from([None, CLIENT_SESSION_ID, "Idempotency-Key"])
"""How a start is recognized that was done before."""

numbers = count(1)


class Driver(RuleBasedStateMachine):
    """Alice, who starts, changes, reads and deletes drives, and logs in and out; and Bob, who must see nothing.

    All writes go to one process, and all reads to two.
    """

    def __init__(self, app: Flask, elsewhere: Flask, bob: Person, sources: Counter[str]) -> None:
        """Count in `sources` where the answers to reads come from."""
        super().__init__()
        self.app, self.bob, self.sources = app, bob, sources
        self.clients = [app.test_client(), elsewhere.test_client()]
        self.cache: Cache = app.extensions["cache"]

    @initialize()
    def register(self) -> None:
        self.alice = Person.registered(self.app, f"alice-{next(numbers)}@example.com")
        self.account = Account(self.alice.get("/users/me").get_json()["full_name"])
        self.account.good_tokens.append(self.alice.tokens["access_token"])
        self.start("first")
        self.read_everything()

    def readers(self) -> list[Person]:
        """Return Alice as she calls each of the processes."""
        return [replace(self.alice, client=client) for client in self.clients]

    def drive(self, pick: int) -> Drive:
        return self.account.drives[pick % len(self.account.drives)]

    # What the driver does.

    @rule(name=NAMES, recognized_by=RECOGNIZED_BY, times=TIMES)
    def start(self, name: str | None, recognized_by: str | None = None, times: int = 1) -> None:
        if len(self.account.drives) == MAX_DRIVES:
            return
        started_at = f"2026-01-05T08:{len(self.account.drives):02d}:00.000Z"
        body, headers, id = {"name": name, "started_at": started_at}, {}, str(uuid4())
        if recognized_by == CLIENT_SESSION_ID:
            body[CLIENT_SESSION_ID] = id
        elif recognized_by is not None:
            headers[recognized_by] = id
        for number in range(times):
            answer = self.alice.post("/sessions", json=body, headers=headers)
            self.hold_a_start(answer, Drive("", started_at, name), is_known=number > 0 and recognized_by is not None)

    def hold_a_start(self, answer: TestResponse, expected: Drive, *, is_known: bool) -> None:
        """Hold the answer to a start, or to one that was done before, against the oracle."""
        active = self.account.active
        if active is not None and (not is_known or active.started_at != expected.started_at):
            assert (answer.status_code, answer.get_json()["session_id"]) == (409, active.id)
            return
        assert answer.status_code == 201
        drive = active or replace(expected, id=answer.get_json()["id"])
        if active is None:
            self.account.drives.append(drive)
        assert subset(answer.get_json(), drive.shown()) == drive.shown()

    @rule(pick=PICKS, name=NAMES, times=TIMES)
    def rename(self, pick: int, name: str | None, times: int = 1) -> None:
        for _ in range(times):
            self.rename_once(self.drive(pick), name)

    def rename_once(self, drive: Drive, name: str | None) -> None:
        answer = self.alice.patch(f"/sessions/{drive.id}", json={"name": name})
        if drive.is_deleted:
            assert answer.status_code == 404
            return
        if name != drive.name:
            drive.name = name
            drive.changed(answer.get_json()["version"])
        assert subset(answer.get_json(), drive.shown()) == drive.shown()

    @rule(pick=PICKS, seqs=SEQS, times=TIMES)
    def upload(self, pick: int, seqs: set[int], times: int = 1) -> None:
        for _ in range(times):
            self.upload_once(self.drive(pick), seqs)

    def upload_once(self, drive: Drive, seqs: set[int]) -> None:
        minute = drive.started_at.removesuffix("00.000Z")
        readings = [{"seq": seq, "t": f"{minute}{seq:02d}Z", "speed_mps": 10.0} for seq in sorted(seqs)]
        answer = self.alice.post(f"/sessions/{drive.id}/readings", json={"readings": readings})
        if drive.is_deleted:
            assert answer.status_code == 404
            return
        new = seqs - drive.seqs
        drive.seqs |= new
        if new:
            drive.changed(answer.get_json()["session_version"])
        receipt = {"accepted": len(new), "last_seq": max(drive.seqs), "session_version": drive.version}
        assert subset(answer.get_json(), receipt) == receipt

    @rule(pick=PICKS, times=TIMES)
    def delete(self, pick: int, times: int = 1) -> None:
        for _ in range(times):
            drive = self.drive(pick)
            assert self.alice.delete(f"/sessions/{drive.id}").status_code == (404 if drive.is_deleted else 204)
            drive.version += not drive.is_deleted  # At least.
            drive.is_deleted = True

    @rule(pick=PICKS, times=TIMES)
    def end(self, pick: int, times: int = 1) -> None:
        for _ in range(times):
            self.end_once(self.drive(pick))

    def end_once(self, drive: Drive) -> None:
        answer = self.alice.post(f"/sessions/{drive.id}/end", json={})
        if drive.is_deleted:
            assert answer.status_code == 404
            return
        if drive.status == "active":
            drive.status = "completed"
            drive.changed(answer.get_json()["version"])
        assert subset(answer.get_json(), drive.shown()) == drive.shown()

    @rule(full_name=FULL_NAMES, times=TIMES)
    def rename_myself(self, full_name: str, times: int = 1) -> None:
        for _ in range(times):
            assert self.alice.patch("/users/me", json={"full_name": full_name}).status_code == 200
        self.account.full_name = full_name

    @rule(pick=PICKS, times=TIMES)
    def log_in_or_out(self, pick: int, times: int) -> None:
        tokens = self.account.good_tokens
        if len(tokens) == 1:
            tokens.append(self.alice.log_in()["access_token"])
            return
        ended = tokens.pop(pick % len(tokens))
        for number in range(times):
            assert self.alice.post("/auth/logout", token=ended).status_code == (401 if number else 204)
        self.account.dead_tokens.append(ended)
        self.alice.tokens["access_token"] = tokens[-1]

    # What is read.

    @rule(pick=PICKS)
    def read(self, pick: int) -> None:
        drive = self.drive(pick)
        path = f"/sessions/{drive.id}"
        assert self.bob.get(path).status_code == 404
        for alice in self.readers():
            answer = alice.get(path)
            if drive.is_deleted:
                assert answer.status_code == 404
                continue
            self.sources[answer.headers["Cache-Status"]] += 1
            assert subset(answer.get_json(), drive.shown()) == drive.shown()
            assert alice.get(path, headers={"If-None-Match": f'"{drive.version}"'}).status_code == 304

    @rule()
    def read_the_list(self) -> None:
        expected = self.account.listed()
        for alice in self.readers():
            answer = alice.get("/sessions")
            rows: list[Any] = answer.get_json()["data"]
            self.sources[answer.headers["Cache-Status"]] += 1
            assert len(rows) == len(expected)
            assert [subset(row, of) for row, of in zip(rows, expected, strict=True)] == expected

    @rule()
    def read_who_i_am(self) -> None:
        for alice in self.readers():
            for token in self.account.good_tokens:
                assert alice.get("/users/me", token=token).get_json()["full_name"] == self.account.full_name
            for token in self.account.dead_tokens:
                assert alice.get("/users/me", token=token).status_code == 401

    def read_everything(self) -> None:
        for pick in range(len(self.account.drives)):
            self.read(pick)
        self.read_the_list()
        self.read_who_i_am()
