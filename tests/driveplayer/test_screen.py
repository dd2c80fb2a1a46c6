"""What an app's screen sees of the cache."""

from collections.abc import Callable

import pytest

from driveplayer.account import Account
from driveplayer.client import Client
from driveplayer.screen import Screen, source_of
from tests.driveplayer.told import Told

Tell = Callable[..., Told]


@pytest.mark.parametrize(
    ("header", "source"),
    [
        ("session-cache; hit", "hit"),
        ("session-cache; fwd=miss", "miss"),
        ("session-cache;fwd=bypass", "bypass"),
        ("session-cache; fwd=miss, ProxyCache; hit", "miss"),
        ("OtherCache; hit; ttl=30, session-cache; hit; ttl=3", "hit"),
        ("session-cache; fwd=stale", "unknown"),
        ("OtherCache; hit", "unknown"),
        ("", "unknown"),
    ],
)
def test_cache_status_is_understood_among_other_caches_words(header: str, source: str) -> None:
    assert source_of(header) == source


def test_a_read_that_shows_less_than_was_acknowledged_is_stale(told: Tell) -> None:
    def session(version: int) -> tuple[int, dict[str, object], dict[str, str]]:
        return 200, {"id": "s", "version": version, "summary": {}}, {"ETag": f'"{version}"'}

    server = told(
        (200, {"access_token": "a", "refresh_token": "r"}), session(3), session(4), session(3), 304, session(4)
    )
    with Client(server.url) as client:
        account = Account(client)
        account.log_in()
        screen = Screen(account, "s")
        reads = [screen.read()]
        screen.acknowledged(4)
        reads += [screen.read() for _ in range(4)]

    assert [read.is_stale for read in reads] == [False, False, True, True, False]
    assert [asked.headers.get("If-None-Match") for asked in server.asked[1:]] == [None, '"3"', '"4"', '"3"', '"3"']
