"""The stage of a run: PostgreSQL, two Valkeys behind one address, two web workers, the worker and beat, as processes of
ours.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from embedded.postgres import Postgres
from testbed.checker.forwarder import ForwardedAddress
from testbed.checker.servers import Servers, a_pair
from testbed.checker.weakened import WEAKENED_BY
from testbed.checker.witness import Witness
from testbed.fleet import Fleet, procfile

RECONCILE_INTERVAL_S = 5
"""The default of the product, in s."""

LONGEST_ACCESS_TOKEN_MINUTES = 1440


@dataclass(frozen=True)
class Stage:
    """What a run plays on."""

    fleet: Fleet
    servers: Servers
    postgres: Postgres
    witness: Witness


@contextmanager
def stage(seconds: float, weakened: str | None, web: str | None) -> Iterator[Stage]:
    """Start everything, with access tokens that outlive the run; `weakened` names a function of
    `weakened`, and `web` is the command of another web process than the Procfile's."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="coherence-")))
        postgres = stack.enter_context(Postgres())
        first, second = (stack.enter_context(valkey) for valkey in a_pair())
        servers = stack.enter_context(Servers(first, second, stack.enter_context(ForwardedAddress())))
        environment = {
            "DATABASE_URL": (database_url := postgres.create_database("coherence")),
            "REDIS_URL": servers.url,
            "RATELIMIT_ENABLED": "0",
            "RECONCILE_INTERVAL_S": str(RECONCILE_INTERVAL_S),
            "ACCESS_TOKEN_EXPIRE_MINUTES": str(min(LONGEST_ACCESS_TOKEN_MINUTES, int(seconds / 60) + 15)),
            "MAX_LOGINS_PER_USER": "1000",  # A lost answer to a login leaves one behind.
            WEAKENED_BY: weakened or "",
        }
        fleet = stack.enter_context(Fleet(folder, environment, _commands(weakened, web)))
        fleet.run("release")
        fleet.ensure("web", "worker", "beat")
        yield Stage(fleet, servers, postgres, Witness(fleet, database_url, servers.url))


def _commands(weakened: str | None, web: str | None) -> dict[str, str]:
    commands = procfile()
    if weakened:
        commands["web"] = commands["web"].replace("asgi:app", "testbed.checker.weakened_web:app")
        commands["worker"] = commands["worker"].replace("-A worker", "-A testbed.checker.weakened_worker")
    return {**commands, **({"web": web} if web else {})}
