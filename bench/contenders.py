"""Who takes part in the benchmark of the hot read, and what is asked of each."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import jwt
import redis
from sqlalchemy import create_engine

from bench import rows
from bench.servers import CHECKOUT, PEERS, Program, bearer, request
from bench.stores import Stores
from webapp.clock import utcnow
from webapp.models import Base

DRIVERS = 4
READ = range(DRIVERS * rows.SESSIONS_PER_USER)
"""The sessions that are read in turn, and warmed before."""

BARE = "bare Flask route"
OURS = "ours: 200 from the cache"


@dataclass(frozen=True)
class Contender:
    """A server, and the requests that it is sent. `cold` ones are sent once each, their entries deleted before."""

    name: str
    program: Program
    requests: list[bytes]
    status: int = 200
    is_cold: bool = False


@dataclass(frozen=True)
class Field:
    """Makes the contenders on one pair of stores."""

    stores: Stores
    peers_python: Path

    def ours(self) -> list[Contender]:
        """Return our own server, asked for different things."""
        program = self._ours({})
        tokens = [bearer(self.stores.token_of(driver)) for driver in range(DRIVERS)]
        read = [("GET", _path(n), tokens[rows.driver_of(n)]) for n in READ]
        etag = {"If-None-Match": '"12"'}
        cold = range(len(READ), len(READ) + COLD)
        cold_tokens = {d: bearer(self.stores.token_of(d)) for d in {rows.driver_of(n) for n in cold}}
        return [
            Contender(OURS, program, [request(*each) for each in read]),
            Contender("ours: 304", program, [request(m, p, h | etag) for m, p, h in read], status=304),
            Contender("ours: list of 20 from the cache", program, [request("GET", LIST, t) for t in tokens]),
            Contender(
                "ours: miss",
                program,
                [request("GET", _path(n), cold_tokens[rows.driver_of(n)]) for n in cold],
                is_cold=True,
            ),
            Contender(
                "ours: Redis out of reach",
                self._ours({"REDIS_URL": "redis://127.0.0.1:1/0"}),
                [request(*each) for each in read],
            ),
        ]

    def peers(self) -> list[Contender]:
        """Return the peers."""
        gunicorn = {
            "raw WSGI": "raw_wsgi",
            BARE: "bare_flask",
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
        bare = next(contender for contender in found if contender.name == BARE)
        return [*found, Contender("bare Flask route, list of 20", bare.program, [request("GET", LIST, {})])]

    def seed_peers(self, bodies: Mapping[int, bytes]) -> None:
        """Put into Redis what peers expect there: the same bytes that we answer, and who the drivers are."""
        with redis.Redis.from_url(self.stores.valkey.url) as client:
            for number, body in bodies.items():
                client.set(f"peer:session:{rows.session_id(number)}", body)
            for driver in range(DRIVERS):
                user = {"id": rows.user_id(driver), "is_active": True, "role": "driver"}
                client.set(f"peer:user:{user['id']}", json.dumps(user))
        (self.stores.folder / "body.json").write_bytes(bodies[0])

    def _ours(self, environment: Mapping[str, str]) -> Program:
        return Program(
            "gunicorn", "wsgi:app", Path(sys.executable), CHECKOUT, {**self.stores.environment, **environment}
        )

    def _peer(self, name: str, server: str, module: str, **environment: str) -> Contender:
        told = {
            **self.stores.environment,
            "BODY_FILE": str(self.stores.folder / "body.json"),
            "LIST_FILE": str(self.stores.folder / "list.json"),
            **environment,
        }
        tokens = [bearer(self._token(driver)) for driver in range(DRIVERS)]
        requests = [request("GET", _path(n), tokens[rows.driver_of(n)]) for n in READ]
        return Contender(name, Program(server, f"{module}:app", self.peers_python, PEERS, told), requests)

    def _token(self, driver: int) -> str:
        """Make a token that all peers' libraries accept; it is as long as ours."""
        now = utcnow()
        claims = {"sub": rows.user_id(driver), "user_id": rows.user_id(driver), "jti": str(uuid4()), "fresh": False}
        kind = {"type": "access", "token_type": "access", "login": rows.login_id(driver)}
        times = {"iat": now, "nbf": now, "exp": now + timedelta(hours=4)}
        return jwt.encode(claims | kind | times, self.stores.environment["JWT_SECRET_KEY"], algorithm="HS256")

    def _sqlite(self) -> str:
        url = f"sqlite:///{self.stores.folder}/peers.db"
        engine = create_engine(url)
        Base.metadata.create_all(engine)
        rows.insert_sessions(engine, len(READ))
        engine.dispose()
        return url


LIST = "/api/v1/sessions"
COLD = 600
"""How many sessions are missed in one slice."""


def _path(number: int) -> str:
    return f"/api/v1/sessions/{rows.session_id(number)}"
