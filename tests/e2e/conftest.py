"""The whole product in real processes: one fleet on PostgreSQL for this folder, with a Valkey of its own."""

from collections.abc import Generator, Iterator

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from embedded.postgres import Postgres
from embedded.valkey import Valkey
from testbed.api import Api
from testbed.driver import Driver
from testbed.fleet import Fleet

RECONCILE_INTERVAL_S = 1


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the processes printed."""
    report = yield
    fleet = getattr(item, "funcargs", {}).get("fleet")
    if report.failed and isinstance(fleet, Fleet):
        report.sections += [(f"{name} printed", tail) for name, tail in fleet.tails().items()]
    return report


@pytest.fixture(scope="session")
def fleet_valkey() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


@pytest.fixture(scope="session")
def fleet_database_url(postgres: Postgres) -> str:
    return postgres.create_database("fleet")


@pytest.fixture(scope="session")
def standing_fleet(
    fleet_database_url: str, fleet_valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    with Fleet(
        tmp_path_factory.mktemp("fleet"),
        {
            "DATABASE_URL": fleet_database_url,
            "REDIS_URL": fleet_valkey.url,
            "RECONCILE_INTERVAL_S": str(RECONCILE_INTERVAL_S),
        },
    ) as fleet:
        fleet.run("release")
        yield fleet


@pytest.fixture
def fleet(standing_fleet: Fleet) -> Fleet:
    """Web, worker and beat on PostgreSQL, all running, whatever the test before did to them."""
    standing_fleet.ensure("web", "worker", "beat")
    return standing_fleet


@pytest.fixture
def cached(fleet_valkey: Valkey) -> Iterator[redis.Redis]:
    """A look into the fleet's Valkey from outside."""
    with redis.Redis.from_url(
        fleet_valkey.url, decode_responses=True, socket_timeout=2, retry=Retry(NoBackoff(), 0)
    ) as client:
        yield client


@pytest.fixture
def alice(fleet: Fleet) -> Iterator[Driver]:
    """A driver who has logged in."""
    with Api(fleet.port) as api:
        yield Driver.registered(api)
