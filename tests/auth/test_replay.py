"""A token that was logged out stays out, whatever becomes of Redis: it never turns the database's no into a yes."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from redis import OutOfMemoryError

from embedded.valkey import Valkey
from testbed.applications import believing, closed
from testbed.people import Person
from tests.auth.forgery import claims_of
from tests.shared.answers import assert_refused
from tests.shared.attacked import MakeApp
from tests.shared.elsewhere import at
from webapp import create_app
from webapp.auth.cached_users import USERS
from webapp.cache import keys
from webapp.cache.redis import Cache
from webapp.config import Settings
from webapp.driving.cached_sessions import SESSIONS


class Loss:
    """What Redis loses after the logout."""

    def __init__(self, cache: Cache, alice: Person, path: str) -> None:
        self.client = cache.client
        self.jtis = [claims_of(alice.tokens[kind])["jti"] for kind in ("access_token", "refresh_token")]
        self.user = USERS.key(alice.id)
        self.session = SESSIONS.key(path.rpartition("/")[2])

    def nothing(self) -> None:
        pass

    def everything(self) -> None:
        self.client.flushall()

    def every_database(self) -> None:
        self.client.flushdb()

    def the_blacklist(self) -> None:
        self.client.delete(*(keys.blacklist(jti) for jti in self.jtis))

    def the_user(self) -> None:
        self.client.delete(self.user)

    def the_session(self) -> None:
        self.client.delete(self.session)

    def the_blacklist_and_the_user(self) -> None:
        self.the_blacklist()
        self.the_user()

    def each_key_in_turn(self) -> None:
        for key in self.client.keys("*"):
            self.client.delete(str(key))

    def all_but_the_session(self) -> None:
        for key in self.client.keys("*"):
            if key != self.session:
                self.client.delete(str(key))

    def what_expires(self) -> None:
        for key in self.client.keys("*"):
            self.client.pexpire(str(key), 1)


LOSSES = [name for name in vars(Loss) if not name.startswith("_")]


def logged_out_after_a_hot_read(alice: Person, kind: str) -> str:
    """Read until everything is hot, log out with one of the tokens, and return the path of the drive."""
    path = f"/sessions/{alice.starts_a_drive()['id']}"
    for _ in range(3):
        assert alice.get(path).status_code == 200
    assert alice.post("/auth/logout", token=alice.tokens[kind]).status_code == 204
    return path


def assert_out(alice: Person, path: str) -> None:
    for _ in range(2):  # The second time meets what the first one put into the cache.
        assert_refused(alice.get(path), code="token_revoked")
        assert_refused(alice.get("/users/me"), code="token_revoked")
        assert_refused(alice.post("/auth/refresh", token=alice.tokens["refresh_token"]), code="token_revoked")


@pytest.mark.parametrize("loss", LOSSES, ids=lambda name: f"Redis loses {name.replace('_', ' ')}")
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_logged_out_token_stays_out(alice: Person, cache: Cache, make_app: MakeApp, loss: str, kind: str) -> None:
    path = logged_out_after_a_hot_read(alice, kind)
    getattr(Loss(cache, alice, path), loss)()
    assert_out(alice, path)
    assert_out(at(make_app(), alice), path)


@pytest.fixture(scope="module")
def own_valkey() -> Iterator[Valkey]:
    """A server that keeps snapshots, to be killed and restarted."""
    with Valkey(config={"dbfilename": "dump.rdb", "save": "3600 1"}) as server:
        yield server


@pytest.fixture
def process(app: Flask, settings: Settings, own_valkey: Valkey) -> Iterator[Flask]:
    """A process on the server of our own."""
    process = create_app(settings.model_copy(update={"redis_url": own_valkey.url}))
    process.extensions["cache"].client.flushall()
    yield believing(process)
    closed(process)


def restarted(server: Valkey, *, first: Callable[[], object] = lambda: None) -> None:
    server.kill()
    first()
    server.start()


def test_a_logged_out_token_stays_out_when_redis_comes_back_empty(process: Flask, own_valkey: Valkey) -> None:
    alice = Person.registered(process, "alice@example.com")
    path = logged_out_after_a_hot_read(alice, "access_token")
    restarted(own_valkey, first=lambda: (own_valkey.data_dir / "dump.rdb").unlink(missing_ok=True))
    assert_out(alice, path)
    believing(process)
    assert_out(alice, path)


def test_a_logged_out_token_stays_out_when_redis_comes_back_with_an_old_snapshot(
    process: Flask, settings: Settings, own_valkey: Valkey
) -> None:
    alice = Person.registered(process, "alice@example.com")
    path = f"/sessions/{alice.starts_a_drive()['id']}"
    for _ in range(3):
        assert alice.get(path).status_code == 200
    client = process.extensions["cache"].client
    client.save()
    assert alice.post("/auth/logout").status_code == 204
    restarted(own_valkey)
    assert "|" in client.get(USERS.key(alice.id)), "the snapshot knows the login"
    assert client.get(keys.blacklist(claims_of(alice.tokens["access_token"])["jti"])) is None
    assert_out(alice, path)
    believing(process)
    assert_out(alice, path)
    fresh = believing(create_app(settings.model_copy(update={"redis_url": own_valkey.url})))
    assert_out(at(fresh, alice), path)
    closed(fresh)


def test_a_logged_out_token_stays_out_of_a_redis_that_evicts_whatever_it_holds(
    process: Flask, own_valkey: Valkey
) -> None:
    client = process.extensions["cache"].client
    alice = Person.registered(process, "alice@example.com")
    path = logged_out_after_a_hot_read(alice, "access_token")
    client.config_set("maxmemory-policy", "allkeys-random")
    try:
        client.config_set("maxmemory", 1)
        with pytest.raises(OutOfMemoryError):
            client.set("one more", "x")
    finally:
        client.config_set("maxmemory", 0)
        client.config_set("maxmemory-policy", "noeviction")
    assert client.dbsize() == 0
    assert_out(alice, path)


def test_the_blacklist_alone_refuses_before_anything_else_is_asked(alice: Person, cache: Cache) -> None:
    jti = claims_of(alice.tokens["access_token"])["jti"]
    cache.client.set(keys.blacklist(jti), "1")
    assert_refused(alice.get("/users/me"), code="token_revoked")


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_blacklisted_token_is_forgotten_when_it_would_have_expired_anyway(
    alice: Person, cache: Cache, kind: str
) -> None:
    claims = claims_of(alice.tokens[kind])
    alice.post("/auth/logout", token=alice.tokens[kind])
    left = claims["exp"] - claims["iat"]
    assert left - 60 < cache.client.ttl(keys.blacklist(claims["jti"])) <= left
