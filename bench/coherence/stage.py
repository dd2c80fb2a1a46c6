"""The stage of a run: PostgreSQL, Valkey, two web workers, the worker and beat, as processes of ours."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.coherence.witness import Witness
from embedded.postgres import Postgres
from embedded.valkey import Valkey
from tests.e2e.fleet import Fleet, procfile

RECONCILE_INTERVAL_S = 5
"""The default of the product, in s."""

LONGEST_ACCESS_TOKEN_MINUTES = 1440


@dataclass(frozen=True)
class Stage:
    """What a run plays on."""

    fleet: Fleet
    valkey: Valkey
    witness: Witness


@contextmanager
def stage(seconds: float, weakened: str | None) -> Iterator[Stage]:
    """Start everything, with access tokens that outlive the run; `weakened` names a function of `weakened`."""
    commands = procfile()
    if weakened:
        commands["web"] = commands["web"].replace("wsgi:app", f"'bench.coherence.weakened:{weakened}()'")
    with tempfile.TemporaryDirectory(prefix="coherence-") as folder, Postgres() as postgres, Valkey() as valkey:
        environment = {
            "DATABASE_URL": (database_url := postgres.create_database("coherence")),
            "REDIS_URL": valkey.url,
            "RATELIMIT_ENABLED": "0",
            "RECONCILE_INTERVAL_S": str(RECONCILE_INTERVAL_S),
            "ACCESS_TOKEN_EXPIRE_MINUTES": str(min(LONGEST_ACCESS_TOKEN_MINUTES, int(seconds / 60) + 15)),
            "MAX_LOGINS_PER_USER": "1000",  # A lost answer to a login leaves one behind.
        }
        with Fleet(Path(folder), environment, commands) as fleet:
            fleet.run("release")
            fleet.ensure("web", "worker", "beat")
            yield Stage(fleet, valkey, Witness(fleet, database_url, valkey.url))
