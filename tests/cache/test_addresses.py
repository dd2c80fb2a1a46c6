"""Redis is reached at every kind of address that the settings take."""

import asyncio
from pathlib import Path

from embedded.valkey import Valkey
from tests.conftest import SECRET
from webapp import create_app
from webapp.cache.redis import Cache, close_redis
from webapp.config import Settings


async def fetched(cache: Cache) -> list[str | None] | None:
    """Fetch a key as an event loop does."""
    found = await cache.shared.fetch(["k"])
    await cache.shared.close()
    return found


def test_redis_is_reached_over_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with Valkey(config={"unixsocket": str(path)}) as server:
        url = f"unix://:{server.password}@{path}"
        app = create_app(Settings(redis_url=url, jwt_secret_key=SECRET, var_dir=tmp_path, log_level="WARNING"))
        cache: Cache = app.extensions["cache"]
        try:
            assert cache.client.ping()
            assert asyncio.run(fetched(cache)) == [None]
        finally:
            close_redis(app)
