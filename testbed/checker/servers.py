"""Two Redis servers behind one address: a primary, and a replica that may take its place."""

import secrets
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from embedded.ports import LOOPBACK
from embedded.valkey import Valkey
from testbed.checker.forwarder import NOWHERE, ForwardedAddress
from testbed.troubles import FOLLOW_NOBODY

CLIENT_TIMEOUT_S = 5.0
SYNCHRONIZED_WITHIN_S = 15.0
POLL_S = 0.02
SNAPSHOT = "dump.rdb"


class NotFollowing(RuntimeError):
    """The replica does not follow the primary: a run would go on without its failovers."""


def a_pair() -> tuple[Valkey, Valkey]:
    """Make two servers, each of which can follow the other one whenever, and however often, it is started anew."""
    password = secrets.token_urlsafe(32)
    config = {"masterauth": password, "repl-diskless-sync-delay": "0"}
    return Valkey(password=password, config=config), Valkey(password=password, config=config)


class Servers:
    """The servers. `url` is all that the fleet knows of them."""

    def __init__(self, first: Valkey, second: Valkey, address: ForwardedAddress) -> None:
        self.primary, self.replica = first, second
        self._address = address
        self._clients: dict[Valkey, redis.Redis] = {}
        parts = urlsplit(first.url)
        self.url = f"{parts.scheme}://:{parts.password}@{LOOPBACK}:{address.port}/0"
        self.follow()
        self.lead()

    def client(self, server: Valkey) -> redis.Redis:
        """Return a connection to a server of the two, whoever the address leads to."""
        if server not in self._clients:
            self._clients[server] = redis.Redis.from_url(
                server.url, decode_responses=True, socket_timeout=CLIENT_TIMEOUT_S, retry=Retry(NoBackoff(), 1)
            )
        return self._clients[server]

    @property
    def snapshot(self) -> Path:
        """Return where the primary finds its snapshot when it starts."""
        return self.primary.data_dir / SNAPSHOT

    def save(self) -> None:
        """Have the primary write its snapshot, as soon as it has written none for the replica."""
        while True:
            try:
                self.client(self.primary).save()
            except redis.ResponseError as error:
                if "in progress" not in str(error):
                    raise
                time.sleep(POLL_S)
            else:
                return

    def follow(self) -> None:
        """Have the replica hold what the primary holds, soon."""
        self.client(self.replica).replicaof(LOOPBACK, str(self.primary.port))

    def cut_the_replica_off(self) -> None:
        """Have the replica miss what the primary is told from now on, as a replica does that lags behind."""
        self.client(self.replica).replicaof(*FOLLOW_NOBODY)

    def synchronize(self) -> None:
        """Wait until the replica holds what the primary holds. Raises NotFollowing when it does not come to that."""
        deadline = time.monotonic() + SYNCHRONIZED_WITHIN_S
        found: object = None
        while time.monotonic() < deadline:
            try:
                found = self.client(self.replica).info("replication")
                if found.get("master_link_status") == "up":
                    return
            except redis.RedisError as error:  # It may be loading.
                found = error
            time.sleep(POLL_S)
        raise NotFollowing(f"after {SYNCHRONIZED_WITHIN_S:.0f} s: {found}")

    def leave(self) -> None:
        """Close all connections of the fleet; nobody gets a new one."""
        self._address.lead_to(NOWHERE)

    def switch(self) -> None:
        """Promote the replica, and lead the fleet to it. The other one follows nobody, and keeps what it holds.

        Nobody may be on both at once, so the fleet must have left.
        """
        self.client(self.replica).replicaof("NO", "ONE")
        self.primary, self.replica = self.replica, self.primary
        self.cut_the_replica_off()

    def lead(self) -> None:
        """Lead the fleet to the primary."""
        assert self.primary.port is not None
        self._address.lead_to(self.primary.port)

    def __enter__(self) -> Self:
        """Return the servers."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.close()
