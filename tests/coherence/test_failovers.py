"""Redis fails over, there and back; PostgreSQL fails over and has lost its last commits. Nothing old is believed."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack

import flask_migrate
import pytest
import redis
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from embedded.postgres import Postgres
from embedded.valkey import Valkey
from testbed.address import Address
from testbed.applications import believing, closed
from testbed.people import PASSWORD, Person
from testbed.troubles import FOLLOW_NOBODY
from tests.coherence.reading import BYPASS, HIT, MISS, read
from tests.shared.meanwhile import wait_until
from webapp import create_app
from webapp.config import Settings
from webapp.database import db, read_connection, timeline_of

PASSWORD_OF_BOTH = "the same for both"


class Pair:
    """A primary and its replica, behind one address."""

    def __init__(self, first: Valkey, second: Valkey, address: Address) -> None:
        self.first, self.second, self.address = first, second, address
        self.command(second, "CONFIG", "SET", "masterauth", PASSWORD_OF_BOTH)
        self.command(second, "REPLICAOF", "127.0.0.1", str(first.port))

    def command(self, server: Valkey, *words: str) -> object:
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            return client.execute_command(*words)

    def replicated(self) -> None:
        """Wait until the second server holds what the first one does."""
        with redis.Redis.from_url(self.first.url) as client:
            client.set("mark", time.monotonic_ns())
            mark = client.get("mark")
        with redis.Redis.from_url(self.second.url) as client:
            wait_until(lambda: client.get("mark") == mark)

    def fail_over_to_the_second(self, *, is_closing: bool) -> None:
        """Promote the second server, and have the first one follow somebody, as a demoted primary does."""
        self.command(self.second, "REPLICAOF", "NO", "ONE")
        self.command(self.first, "REPLICAOF", *FOLLOW_NOBODY)
        self.address.lead_to(self.second, is_closing=is_closing)

    def fail_back(self) -> None:
        """Promote the first server again, which was not restarted and has seen nothing meanwhile."""
        self.command(self.first, "REPLICAOF", "NO", "ONE")
        self.address.lead_to(self.first)


@pytest.fixture
def pair() -> Iterator[Pair]:
    with ExitStack() as stack:
        first, second = (stack.enter_context(Valkey(password=PASSWORD_OF_BOTH)) for _ in range(2))
        yield Pair(first, second, stack.enter_context(Address(first)))


def application(settings: Settings, stack: ExitStack) -> Flask:
    """Return an application that believes, until the end of the stack."""
    app = believing(create_app(settings))
    stack.callback(closed, app)
    return app


@pytest.mark.parametrize("watches", [False, True], ids=["idle meanwhile", "watching"])
def test_a_primary_that_comes_back_without_a_restart_does_not_bring_old_values_back(
    app: Flask, settings: Settings, pair: Pair, watches: bool
) -> None:
    settings = settings.model_copy(update={"redis_url": pair.address.url})
    with ExitStack() as stack:
        writer = Person.registered(application(settings, stack), "alice@example.com")
        watching = settings.model_copy(update={"cache_probe_interval_ms": 20 * watches})
        reading = application(watching, stack)
        path = f"/sessions/{writer.starts_a_drive(name='old')['id']}"
        elsewhere = Person(reading.test_client(), writer.email, writer.id, writer.tokens)
        assert [read(elsewhere, path) for _ in range(2)] == [("old", HIT)] * 2
        pair.replicated()

        pair.fail_over_to_the_second(is_closing=True)
        assert writer.patch(path, json={"name": "new"}).status_code == 200
        pair.fail_back()
        assert read(elsewhere, path)[0] == "new"
        believing(reading)
        assert read(elsewhere, path)[0] == "new"


def test_a_demoted_primary_that_keeps_its_connections_is_left(app: Flask, settings: Settings, pair: Pair) -> None:
    settings = settings.model_copy(update={"redis_url": pair.address.url, "cache_probe_interval_ms": 20})
    with ExitStack() as stack:
        watching = application(settings, stack)
        alice = Person.registered(watching, "alice@example.com")
        path = f"/sessions/{alice.starts_a_drive(name='old')['id']}"
        wait_until(lambda: read(alice, path)[1] == HIT)
        pair.replicated()

        pair.fail_over_to_the_second(is_closing=False)
        wait_until(lambda: read(alice, path)[1] in (MISS, BYPASS))
        wait_until(lambda: read(alice, path)[1] == HIT)
        assert alice.patch(path, json={"name": "new"}).status_code == 200
        assert read(alice, path)[0] == "new"


class Standby:
    """A standby that is promoted when the primary is lost, and never received the primary's last commits."""

    def __init__(self, primary: Postgres) -> None:
        self._primary = primary
        self._copy = primary.data_dir.with_name("standby")
        primary.stop()
        subprocess.run(["cp", "-a", primary.data_dir, self._copy], check=True)
        primary.start()

    def take_over(self) -> None:
        """Answer at the primary's address from now on, on a timeline of its own."""
        self._primary.stop()
        shutil.rmtree(self._primary.data_dir)
        self._copy.rename(self._primary.data_dir)
        signal = self._primary.data_dir / "recovery.signal"
        signal.touch()
        self._primary.config["restore_command"] = "false"
        self._primary.start()


def is_promoted(app: Flask) -> bool:
    """Say whether the database takes writes: one that is still a standby answers reads."""
    try:
        with app.app_context(), read_connection() as connection:
            return timeline_of(connection) is not None
    except SQLAlchemyError:
        return False


@pytest.fixture
def lost(settings: Settings) -> Iterator[tuple[Flask, Postgres]]:
    """An application on a database server of its own."""
    with Postgres() as postgres, ExitStack() as stack:
        app = create_app(settings.model_copy(update={"database_url": postgres.create_database("lost")}))
        stack.callback(closed, app)
        with app.app_context():
            flask_migrate.upgrade()
            app.extensions["cache"].client.flushall()
            db.session.remove()
        yield believing(app), postgres


def test_a_version_that_is_given_out_again_after_lost_commits_is_not_hidden_by_the_lost_one(
    lost: tuple[Flask, Postgres],
) -> None:
    app, postgres = lost
    alice = Person.registered(app, "alice@example.com")
    path = f"/sessions/{alice.starts_a_drive(name='kept')['id']}"
    standby = Standby(postgres)
    assert alice.patch(path, json={"name": "lost"}).status_code == 200
    assert [read(alice, path)[0] for _ in range(2)] == ["lost"] * 2

    standby.take_over()
    wait_until(lambda: is_promoted(app))
    changed = alice.patch(path, json={"name": "new"})
    assert changed.json["version"] == 2, "the lost commit had this number, too"
    assert read(alice, path)[0] == "new"
    believing(app)
    assert [read(alice, path)[0] for _ in range(2)] == ["new"] * 2
    with app.app_context(), read_connection() as connection:
        assert timeline_of(connection) == "00000002"


def test_tokens_that_end_after_lost_commits_end_for_everybody(lost: tuple[Flask, Postgres], settings: Settings) -> None:
    app, postgres = lost
    alice = Person.registered(app, "alice@example.com")
    ended = alice.tokens["access_token"]
    leaving = alice.log_in()["access_token"]
    standby = Standby(postgres)
    with ExitStack() as stack:
        reading = application(app.config["SETTINGS"], stack)
        elsewhere = Person(reading.test_client(), alice.email, alice.id, alice.tokens)
        assert alice.patch("/users/me", json={"full_name": "lost"}).status_code == 200
        assert elsewhere.get("/users/me").json["full_name"] == "lost"

        standby.take_over()
        wait_until(lambda: is_promoted(app))
        assert alice.post("/auth/logout-all", token=leaving).status_code == 204
        assert elsewhere.get("/users/me", token=ended).status_code == 401
        body = {"email": alice.email, "password": PASSWORD}
        assert alice.client.post("/api/v1/auth/login", json=body).status_code == 200
        assert elsewhere.get("/users/me", token=ended).status_code == 401


def test_a_row_that_was_loaded_before_a_failover_is_not_put_under_the_new_timeline(
    lost: tuple[Flask, Postgres],
) -> None:
    app, _ = lost
    alice = Person.registered(app, "alice@example.com")
    path = f"/sessions/{alice.starts_a_drive(name='new')['id']}"
    cache = app.extensions["cache"]
    cache.stamp.take_over_timeline("00000009", cache.stamp.question())  # The database is elsewhere by now.
    assert [read(alice, path) for _ in range(2)] == [("new", MISS), ("new", MISS)]
    believing(app)
    assert [read(alice, path) for _ in range(2)] == [("new", MISS), ("new", HIT)]
