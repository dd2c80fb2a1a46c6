"""Who takes part in the benchmark of the hot read, and what is asked of each."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import jwt
from redis import Redis
from sqlalchemy import create_engine

from bench import rows
from bench.load import Job
from bench.servers import CHECKOUT, PEERS, Program, bearer, request
from bench.stores import Stores
from webapp.clock import utcnow
from webapp.models import Base

DRIVERS = 4
READ = range(DRIVERS * rows.SESSIONS_PER_USER)
"""The sessions that are read in turn, and warmed before."""

COLD = range(len(READ), len(READ) + 600)
"""The sessions that are missed, each once in a slice."""

LIST = "/api/v1/sessions"
HEADERS_FILE = "headers.json"
ETAG = f'"{rows.VERSION}"'

BARE = "bare Flask route"
OURS = "ours: 200 from the cache"
SAME_ANSWER = "bare Flask route, with our headers"
"""It answers byte for byte what we answer; `BARE` the body alone."""


def peer_token(secret: str, driver: int) -> str:
    """Make a token of a driver's that all peers' libraries accept; it is as long as ours."""
    now = utcnow()
    claims = {"sub": rows.user_id(driver), "user_id": rows.user_id(driver), "jti": str(uuid4()), "fresh": False}
    kind = {"type": "access", "token_type": "access", "login": rows.login_id(driver)}
    times = {"iat": now, "nbf": now, "exp": now + timedelta(hours=4)}
    return jwt.encode(claims | kind | times, secret, algorithm="HS256")


def seed_peer_user(client: Redis, driver: int) -> None:
    """Put a driver where peers look for who is calling."""
    user = {"id": rows.user_id(driver), "is_active": True, "role": "driver"}
    client.set(f"peer:user:{user['id']}", json.dumps(user))


def our_program(environment: Mapping[str, str]) -> Program:
    """Return our own server, as this checkout has it."""
    return Program("gunicorn", "asgi:app", Path(sys.executable), CHECKOUT, environment)


@dataclass(frozen=True)
class Contender:
    """A server, and the requests that it is sent. `cold` ones are sent once each, their entries deleted before."""

    name: str
    program: Program
    requests: list[bytes]
    status: int = 200
    is_cold: bool = False
    min_hits: float = 0.0

    def job(self, port: int, connections: int, seconds: float) -> Job:
        """Return what the load has to do for a slice of so many seconds."""
        return Job(port, self.requests, connections, 0.0 if self.is_cold else seconds, self.status, self.min_hits)


@dataclass(frozen=True)
class Field:
    """Makes the contenders on one pair of stores."""

    stores: Stores
    peers_python: Path

    def ours(self) -> list[Contender]:
        """Return our own server, asked for different things."""
        hit = self.hits(OURS, READ)
        tokens = [bearer(self.stores.token_of(driver)) for driver in range(DRIVERS)]
        away = self._ours({"REDIS_URL": "redis://127.0.0.1:1/0"})
        silent = self._ours({"LOG_LEVEL": "WARNING"})
        nearby = self._ours({"REDIS_URL": self.stores.socket_url})
        return [
            hit,
            replace(hit, name="ours: 200, without a log line", program=silent),
            replace(hit, name="ours: 200, Redis over a unix socket", program=nearby),
            replace(hit, name="ours: 304", requests=self._reads(READ, {"If-None-Match": ETAG}), status=304),
            replace(hit, name="ours: list of 20", requests=[request("GET", LIST, token) for token in tokens]),
            replace(hit, name="ours: miss", requests=self._reads(COLD, {}), is_cold=True, min_hits=0.0),
            replace(hit, name="ours: Redis out of reach", program=away, min_hits=0.0),
        ]

    def hits(self, name: str, numbers: Sequence[int]) -> Contender:
        """Return our own server, asked for these sessions in turn."""
        return Contender(name, self._ours({}), self._reads(numbers, {}), min_hits=0.99)

    def bare(self) -> Contender:
        """Return the yardstick."""
        return self._peer(BARE, "gunicorn", "bare_flask")

    def peers(self) -> list[Contender]:
        """Return the peers."""
        gunicorn = {
            "raw WSGI": "raw_wsgi",
            "flask-jwt-extended, one MGET": "flask_jwt_mget",
            "Flask-Caching, view": "flask_caching_view",
            "Flask-Caching, memoize": "flask_caching_memoize",
            "DRF, simplejwt, django-redis": "drf",
            "flask-jwt-extended uncached, PostgreSQL": "uncached",
        }
        uvicorn = {
            "FastAPI, one MGET": "fastapi_mget",
            "FastAPI, fastapi-cache2": "fastapi_cache2",
            "FastAPI, cashews": "fastapi_cashews",
        }
        found = [self._peer(name, "gunicorn", module) for name, module in gunicorn.items()]
        found += [self._peer(name, "uvicorn", module) for name, module in uvicorn.items()]
        found.append(self._peer("FastAPI, one MGET, token remembered", "uvicorn", "fastapi_mget", TOKEN_MEMORY="1"))
        sqlite = {"DATABASE_URL": self._sqlite()}
        found.append(self._peer("flask-jwt-extended uncached, SQLite", "gunicorn", "uncached", **sqlite))
        bare = self.bare()
        dressed = {"HEADERS_FILE": str(self.stores.folder / HEADERS_FILE)}
        found.append(self._peer(SAME_ANSWER, "gunicorn", "bare_flask", **dressed))
        return [bare, replace(bare, name="bare Flask route, list of 20", requests=[request("GET", LIST, {})]), *found]

    def seed_peers(self) -> None:
        """Give the peers what they answer with: our bytes, in files and under keys of their own, and the drivers."""
        client, tokens = self.stores.app.test_client(), [bearer(self.stores.token_of(d)) for d in range(DRIVERS)]
        bodies = {n: client.get(_path(n), headers=tokens[rows.driver_of(n)]).data for n in READ}
        (self.stores.folder / "body.json").write_bytes(bodies[0])
        ours = client.get(_path(0), headers=tokens[0]).headers
        sent = {name: value for name, value in ours.items() if name not in ("Content-Type", "Content-Length")}
        (self.stores.folder / HEADERS_FILE).write_text(json.dumps(sent))
        (self.stores.folder / "list.json").write_bytes(client.get(LIST, headers=tokens[0]).data)
        for number, body in bodies.items():
            self.stores.cache.client.set(f"peer:session:{rows.session_id(number)}", body)
        for driver in range(DRIVERS):
            seed_peer_user(self.stores.cache.client, driver)

    def _reads(self, numbers: Sequence[int], headers: Mapping[str, str]) -> list[bytes]:
        tokens = {d: bearer(self.stores.token_of(d)) for d in sorted({rows.driver_of(n) for n in numbers})}
        return [request("GET", _path(n), {**tokens[rows.driver_of(n)], **headers}) for n in numbers]

    def _ours(self, environment: Mapping[str, str]) -> Program:
        return our_program({**self.stores.environment, **environment})

    def _peer(self, name: str, server: str, module: str, **environment: str) -> Contender:
        told = {
            **self.stores.environment,
            "BODY_FILE": str(self.stores.folder / "body.json"),
            "LIST_FILE": str(self.stores.folder / "list.json"),
            **environment,
        }
        secret = self.stores.environment["JWT_SECRET_KEY"]
        tokens = [bearer(peer_token(secret, driver)) for driver in range(DRIVERS)]
        requests = [request("GET", _path(n), tokens[rows.driver_of(n)]) for n in READ]
        return Contender(name, Program(server, f"{module}:app", self.peers_python, PEERS, told), requests)

    def _sqlite(self) -> str:
        url = f"sqlite:///{self.stores.folder}/peers.db"
        engine = create_engine(url)
        Base.metadata.create_all(engine)
        rows.insert_sessions(engine, len(READ))
        engine.dispose()
        return url


def _path(number: int) -> str:
    return f"{LIST}/{rows.session_id(number)}"
