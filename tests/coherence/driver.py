"""A driver whose every answer is held against the oracle: rules of a Hypothesis state machine, through HTTP."""

from collections import Counter
from itertools import count

from flask import Flask
from hypothesis import strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.coherence.oracle import Account, Drive, subset
from tests.people import Person
from webapp.cache.redis import Cache

MAX_DRIVES = 20  # One page of the list.
NAMES = strategies.sampled_from(["one", "two", "drei", "четыре", None])
FULL_NAMES = strategies.sampled_from(["Alice", "Алиса", "Alice the second"])
SEQS = strategies.sets(strategies.integers(0, 5), min_size=1)
PICKS = strategies.integers(0, MAX_DRIVES)

numbers = count(1)


class Driver(RuleBasedStateMachine):
    """Alice, who starts, changes, reads and deletes drives, and logs in and out; and Bob, who must see nothing."""

    def __init__(self, app: Flask, bob: Person, sources: Counter[str]) -> None:
        """Count in `sources` where the answers to reads come from."""
        super().__init__()
        self.app, self.bob, self.sources = app, bob, sources
        self.cache: Cache = app.extensions["cache"]

    @initialize()
    def register(self) -> None:
        self.alice = Person.registered(self.app, f"alice-{next(numbers)}@example.com")
        self.account = Account(self.alice.get("/users/me").get_json()["full_name"])
        self.account.good_tokens.append(self.alice.tokens["access_token"])
        self.start("first")
        self.read_everything()

    def drive(self, pick: int) -> Drive:
        return self.account.drives[pick % len(self.account.drives)]

    # What the driver does.

    @rule(name=NAMES)
    def start(self, name: str | None) -> None:
        if len(self.account.drives) == MAX_DRIVES:
            return
        started_at = f"2026-01-05T08:{len(self.account.drives):02d}:00.000Z"
        answer = self.alice.post("/sessions", json={"name": name, "started_at": started_at})
        active = self.account.active
        if active is not None:
            assert (answer.status_code, answer.get_json()["session_id"]) == (409, active.id)
            return
        drive = Drive(answer.get_json()["id"], started_at, name)
        self.account.drives.append(drive)
        assert subset(answer.get_json(), drive.shown()) == drive.shown()

    @rule(pick=PICKS, name=NAMES)
    def rename(self, pick: int, name: str | None) -> None:
        drive = self.drive(pick)
        answer = self.alice.patch(f"/sessions/{drive.id}", json={"name": name})
        if drive.is_deleted:
            assert answer.status_code == 404
            return
        if name != drive.name:
            drive.name = name
            drive.changed(answer.get_json()["version"])
        assert subset(answer.get_json(), drive.shown()) == drive.shown()

    @rule(pick=PICKS, seqs=SEQS)
    def upload(self, pick: int, seqs: set[int]) -> None:
        drive = self.drive(pick)
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

    @rule(pick=PICKS, is_deletion=strategies.booleans())
    def end_or_delete(self, pick: int, is_deletion: bool) -> None:
        drive = self.drive(pick)
        if is_deletion:
            assert self.alice.delete(f"/sessions/{drive.id}").status_code == (404 if drive.is_deleted else 204)
            drive.version += not drive.is_deleted  # At least.
            drive.is_deleted = True
            return
        answer = self.alice.post(f"/sessions/{drive.id}/end", json={})
        if drive.is_deleted:
            assert answer.status_code == 404
            return
        if drive.status == "active":
            drive.status = "completed"
            drive.changed(answer.get_json()["version"])
        assert subset(answer.get_json(), drive.shown()) == drive.shown()

    @rule(full_name=FULL_NAMES)
    def rename_myself(self, full_name: str) -> None:
        assert self.alice.patch("/users/me", json={"full_name": full_name}).status_code == 200
        self.account.full_name = full_name

    @rule(pick=PICKS)
    def log_in_or_out(self, pick: int) -> None:
        tokens = self.account.good_tokens
        if len(tokens) == 1:
            tokens.append(self.alice.log_in()["access_token"])
            return
        ended = tokens.pop(pick % len(tokens))
        assert self.alice.post("/auth/logout", token=ended).status_code == 204
        self.account.dead_tokens.append(ended)
        self.alice.tokens["access_token"] = tokens[-1]

    # What is read.

    @rule(pick=PICKS)
    def read(self, pick: int) -> None:
        drive = self.drive(pick)
        path = f"/sessions/{drive.id}"
        answer = self.alice.get(path)
        assert self.bob.get(path).status_code == 404
        if drive.is_deleted:
            assert answer.status_code == 404
            return
        self.sources[answer.headers["Cache-Status"]] += 1
        assert subset(answer.get_json(), drive.shown()) == drive.shown()
        assert self.alice.get(path, headers={"If-None-Match": f'"{drive.version}"'}).status_code == 304

    @rule()
    def read_the_list(self) -> None:
        answer = self.alice.get("/sessions")
        rows, expected = answer.get_json()["data"], self.account.listed()
        self.sources[answer.headers["Cache-Status"]] += 1
        assert len(rows) == len(expected)
        assert [subset(row, of) for row, of in zip(rows, expected, strict=True)] == expected

    @rule()
    def read_who_i_am(self) -> None:
        for token in self.account.good_tokens:
            assert self.alice.get("/users/me", token=token).get_json()["full_name"] == self.account.full_name
        for token in self.account.dead_tokens:
            assert self.alice.get("/users/me", token=token).status_code == 401

    def read_everything(self) -> None:
        for pick in range(len(self.account.drives)):
            self.read(pick)
        self.read_the_list()
        self.read_who_i_am()
