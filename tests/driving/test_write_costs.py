"""What a write costs, counted: statements, round trips to PostgreSQL, commands and round trips to Redis.

Counted as well where nothing but the account has grown: a write costs the same for a driver with a thousand drives.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from flask import Flask
from redis.connection import AbstractConnection

from testbed.people import Person
from tests.door.costs import counted
from webapp.database import DeadlineConnection

START = "2026-01-05T08:00:00Z"


class Cost(NamedTuple):
    """`waits` and `sends` are round trips, to PostgreSQL (BEGIN and COMMIT included) and to Redis."""

    statements: int
    waits: int
    commands: int
    sends: int


@contextmanager
def costs(app: Flask, into: list[Cost]) -> Iterator[None]:
    waits, sends = [0], [0]
    wait, send = DeadlineConnection.wait, AbstractConnection.send_packed_command

    def counting_wait(*args: Any, **options: Any) -> Any:
        waits[0] += 1
        return wait(*args, **options)

    def counting_send(*args: Any, **options: Any) -> Any:
        sends[0] += 1
        return send(*args, **options)

    with pytest.MonkeyPatch.context() as patch, counted(app) as cost:
        patch.setattr(DeadlineConnection, "wait", counting_wait)
        patch.setattr(AbstractConnection, "send_packed_command", counting_send)
        yield
        patch.undo()
    # A script's own GET, SET, PEXPIRE, INCRBY and EXPIRE are not asked for one by one.
    asked = [name for name in cost.commands if name in ("mget", "eval", "evalsha", "get", "sadd", "publish", "lpush")]
    asked = [name for name in asked if name != "get"]
    into.append(Cost(len(cost.statements), waits[0], len(asked), sends[0]))


@pytest.fixture
def cost_of(app: Flask) -> Callable[[Callable[[], Any], int], Cost]:
    def cost_of(write: Callable[[], Any], status: int = 200) -> Cost:
        into: list[Cost] = []
        write()  # Connections are made, statements prepared.
        with costs(app, into):
            answer = write()
        assert answer.status_code == status, answer.get_data()
        return into[0]

    return cost_of


class App:
    """Alice's app: it goes on where it stopped."""

    def __init__(self, driver: Person) -> None:
        self.driver, self.seq, self.named = driver, 0, 0
        self.begins()

    def begins(self) -> Any:
        answer = self.driver.post("/sessions", json={"started_at": START})
        self.id, self.seq = answer.get_json()["id"], 0
        return answer

    def ends(self) -> Any:
        return self.driver.post(f"/sessions/{self.id}/end", json={})

    def uploads(self) -> Any:
        readings = [
            {"seq": seq, "t": f"2026-01-05T08:{seq // 60:02d}:{seq % 60:02d}Z", "speed_mps": 3}
            for seq in range(self.seq, self.seq + 10)
        ]
        self.seq += 10
        return self.driver.post(f"/sessions/{self.id}/readings", json={"readings": readings})

    def renames(self) -> Any:
        self.named += 1
        return self.driver.patch(f"/sessions/{self.id}", json={"name": f"drive {self.named}"})


def test_an_upload_is_two_statements_and_three_round_trips_to_redis(
    alice: Person, cost_of: Callable[..., Cost]
) -> None:
    """BEGIN, lock and read, write, COMMIT; the guard with the limit, the fence, the publication with the count."""
    assert cost_of(App(alice).uploads) == Cost(statements=2, waits=4, commands=4, sends=3)


def test_a_change_costs_no_more(alice: Person, cost_of: Callable[..., Cost]) -> None:
    assert cost_of(App(alice).renames) == Cost(statements=2, waits=4, commands=3, sends=3)


def test_an_upload_costs_the_same_with_many_drives_and_a_long_one(alice: Person, cost_of: Callable[..., Cost]) -> None:
    app = App(alice)
    first = cost_of(app.uploads)
    for _ in range(30):
        app.ends()
        app.begins()
    for _ in range(20):
        app.uploads()
    assert cost_of(app.uploads) == first


def test_a_start_and_an_end_tell_what_they_cost(alice: Person, cost_of: Callable[..., Cost]) -> None:
    app = App(alice)
    app.ends()

    def start_and_end() -> Any:
        assert app.begins().status_code == 201
        return app.ends()

    assert cost_of(start_and_end) == Cost(statements=8, waits=12, commands=11, sends=8)


@pytest.mark.parametrize("path", ["/sessions", "/sessions/active"])
def test_a_list_and_the_active_drive_need_no_statement_also_after_an_upload(
    alice: Person, cost_of: Callable[..., Cost], path: str
) -> None:
    app = App(alice)

    def upload_and_read() -> Any:
        app.uploads()
        return alice.get(path)

    upload = cost_of(app.uploads)
    both = cost_of(upload_and_read)
    assert both.statements == upload.statements
    assert both.sends - upload.sends == 3, "the guard, the list, its sessions"
