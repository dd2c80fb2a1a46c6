"""Acting in the middle of a read or a write, at a step that is named, and what can be cached of a driver."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, event

from testbed.people import Person
from webapp.auth.cached_users import USERS
from webapp.cache import fills
from webapp.cache.entries import Entry, Held
from webapp.cache.kinds import Kind
from webapp.cache.redis import Cache
from webapp.database import db
from webapp.driving.cached_lists import SESSION_LISTS
from webapp.driving.cached_sessions import SESSIONS

Act = Callable[[], object]

KINDS = (USERS, SESSIONS, SESSION_LISTS)
"""All that is cached. The contracts hold it against what the application has registered."""


@dataclass
class Cached:
    """Something of a driver's that is cached: its kind and id, and a request that changes it and raises its version by
    one.
    """

    cache: Cache
    kind: Kind
    id: str
    change: Act

    @property
    def key(self) -> str:
        return self.kind.key(self.id)

    def held(self) -> Held:
        """Return what its key holds."""
        return self.cache.entries.held([self.key])[0]

    def left_by_its_writer(self, version: int) -> Held:
        """Return what its key holds after a write that nobody came in between: what can be published of a row is."""
        return Held("value" if self.kind.entry else "pending", version)

    def lose(self) -> None:
        """Lose its key, as by an eviction."""
        self.cache.client.delete(self.key)

    def row(self) -> Entry:
        """Return what the database says."""
        return fills.load(self.kind, self.id)

    def read(self, *, then: Act | None = None) -> tuple[Entry, fills.Source]:
        """Read through the cache. `then` happens once the reader has loaded the row, before it puts it."""
        return fills.get(self.kind if then is None else acting_after_load(self.kind, then), self.id)


def cached_things(cache: Cache, driver: Person) -> dict[str, Cached]:
    """Return one of each kind that is cached of a driver, by its name."""
    session_id = driver.starts_a_drive()["id"]
    names, going_on = iter(range(1000)), [session_id]

    def change_session() -> None:
        assert driver.patch(f"/sessions/{session_id}", json={"name": f"drive {next(names)}"}).status_code == 200

    def change_list() -> None:
        """End the drive that is going on, or start another one."""
        if going_on:
            assert driver.post(f"/sessions/{going_on.pop()}/end", json={}).status_code == 200
        else:
            going_on.append(driver.starts_a_drive()["id"])

    def change_user() -> None:
        assert driver.patch("/users/me", json={"full_name": f"driver {next(names)}"}).status_code == 200

    return {
        "session": Cached(cache, SESSIONS, session_id, change_session),
        "session_list": Cached(cache, SESSION_LISTS, driver.id, change_list),
        "user": Cached(cache, USERS, driver.id, change_user),
    }


def acting_after_load(kind: Kind, act: Act) -> Kind:
    """Return the kind with a loader that, once, acts when it has the rows."""
    actions = [act]

    def load(connection: Connection, ids: Sequence[str]) -> Any:
        rows = kind.load(connection, ids)
        if actions:
            actions.pop()()
        return rows

    return replace(kind, load=load)


@contextmanager
def after_write(act: Act) -> Iterator[None]:
    """Act when the next transaction has written something, and holds what it wrote."""

    def is_write(_connection: Any, _cursor: Any, statement: str, *_: Any) -> bool:
        return statement.startswith(("INSERT", "UPDATE", "WITH"))

    with _once(db.engine, "after_cursor_execute", act, insert=False, when=is_write):
        yield


@contextmanager
def at_commit(act: Act) -> Iterator[None]:
    """Act when the next transaction is about to COMMIT: after its first fence. What `act` raises, COMMIT raises."""
    with _once(db.engine, "commit", act, insert=False):
        yield


@contextmanager
def between_commit_and_fence(act: Act) -> Iterator[None]:
    """Act when the next transaction has committed, before its second fence."""
    with _once(db.session, "after_commit", act, insert=True):
        yield


@contextmanager
def _once(
    target: Any, name: str, act: Act, insert: bool, when: Callable[..., bool] = lambda *_: True
) -> Iterator[None]:
    actions = [act]

    def listener(*arguments: object) -> None:
        if actions and when(*arguments):
            actions.pop()()

    event.listen(target, name, listener, insert=insert)
    try:
        yield
    finally:
        event.remove(target, name, listener)
    assert not actions, f"nothing came to {name}"
