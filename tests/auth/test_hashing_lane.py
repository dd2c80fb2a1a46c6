"""A crowd that logs in: it waits in a lane of its own, is not turned away, and is in nobody's way."""

import threading
from collections.abc import Iterator
from concurrent.futures import as_completed
from typing import Any

import argon2
import pytest
from werkzeug.test import TestResponse

from testbed.people import PASSWORD, Person
from tests.shared.answers import assert_problem
from tests.shared.attacked import MakeApp
from tests.shared.doors import clients_of
from tests.shared.elsewhere import at
from webapp.auth import passwords
from webapp.auth.passwords import HASHED_AT_ONCE
from webapp.database import db
from webapp.threads import threads_of


class HeldHashing:
    """Hashes that are computed for as long as the test wants."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most_at_once = self.now = 0
        self.computed_in: set[int] = set()
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Event()
        self._lock = threading.Lock()
        self._verify = argon2.PasswordHasher.verify
        held = self
        monkeypatch.setattr(argon2.PasswordHasher, "verify", lambda hasher, *args: held._held(hasher, *args))

    def _held(self, hasher: argon2.PasswordHasher, *args: str) -> bool:
        with self._lock:
            self.computed_in.add(threading.get_ident())
            self.now += 1
            self.most_at_once = max(self.most_at_once, self.now)
        self.begun.release()
        assert self.may_end.wait(30)
        with self._lock:
            self.now -= 1
        return bool(self._verify(hasher, *args))


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[HeldHashing]:
    hashing = HeldHashing(monkeypatch)
    yield hashing
    hashing.may_end.set()


def test_a_hundred_logins_at_once_do_not_stop_others_and_all_succeed(
    make_app: MakeApp, held: HeldHashing, way_in: str
) -> None:
    held.may_end.set()
    app = make_app(ratelimit_enabled=False)
    alice = Person.registered(app, "alice@example.com")
    path = f"/sessions/{alice.starts_a_drive()['id']}"
    held.may_end.clear()
    credentials = {"email": "alice@example.com", "password": PASSWORD}
    # As a server does, with as few threads as the settings say.
    clients = clients_of(app, way_in)
    logins = [
        clients.submit(lambda: app.test_client().post("/api/v1/auth/login", json=credentials)) for _ in range(100)
    ]
    try:
        for _ in range(HASHED_AT_ONCE):
            assert held.begun.acquire(timeout=30)
        for way in (path, path, "/sessions?status=active", "/users/me"):  # From the cache and from the database.
            assert clients.submit(alice.get, way).result(30).status_code == 200
        assert clients.submit(alice.patch, path, json={"name": "while they hash"}).result(30).status_code == 200
        assert not any(login.done() for login in logins)
    finally:
        held.may_end.set()
    assert {login.result(timeout=60).status_code for login in logins} == {200}
    clients.shutdown()
    assert held.most_at_once <= HASHED_AT_ONCE
    assert len(held.computed_in) <= HASHED_AT_ONCE, "each thread that computes one keeps its memory"


def test_who_finds_the_waiting_room_full_is_told_at_once_to_come_back(
    make_app: MakeApp, alice: Person, held: HeldHashing, monkeypatch: pytest.MonkeyPatch, way_in: str
) -> None:
    monkeypatch.setattr(passwords, "WAITING_ROOM", 5)
    app = make_app(ratelimit_enabled=False)
    clients = clients_of(app, way_in)
    credentials = {"email": alice.email, "password": PASSWORD}

    def log_in() -> TestResponse:
        return app.test_client().post("/api/v1/auth/login", json=credentials)

    logins = [clients.submit(log_in) for _ in range(6)]
    refused = next(as_completed(logins, timeout=30))
    problem = refused.result()
    assert_problem(problem, 503, code="service_unavailable")
    assert int(problem.headers["Retry-After"]) > 0
    held.may_end.set()
    assert [login.result(timeout=30).status_code for login in logins if login is not refused] == [200] * 5
    assert log_in().status_code == 200, "there is room again"
    clients.shutdown()


def test_who_waits_for_a_hash_holds_no_connection_to_the_database(
    make_app: MakeApp, alice: Person, held: HeldHashing, way_in: str
) -> None:
    app = make_app(ratelimit_enabled=False)
    clients, threads = clients_of(app, way_in), threads_of(app)
    credentials = {"email": alice.email, "password": PASSWORD}
    change = {"current_password": PASSWORD, "new_password": f"{PASSWORD} 2"}
    asks = [
        ("POST", "/auth/login", credentials),
        ("PUT", "/users/me/password", change),
        ("DELETE", "/users/me", {"password": PASSWORD}),
    ]
    waiting = [clients.submit(at(app, alice).call, method, path, json=body) for method, path, body in asks * 5]
    with app.app_context():
        pool: Any = db.engine.pool
    try:
        for _ in range(HASHED_AT_ONCE):
            assert held.begun.acquire(timeout=30)
        # All places at once: whoever came before stands aside.
        places = threading.Barrier(app.config["SETTINGS"].web_threads)
        for each in [threads.submit(places.wait, 30) for _ in range(places.parties)]:
            each.result(30)
        assert pool.checkedout() == 0
        assert not any(each.done() for each in waiting)
    finally:
        held.may_end.set()
    assert {each.result(timeout=60).status_code for each in waiting} <= {200, 204, 401, 403}
    clients.shutdown()
