"""The failure matrix: Redis × database × what is asked. Never a 500, never a 401 for an outage, never open."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.hostile.outages.driver import CALLS, Driver
from tests.hostile.outages.machines import DATABASE_TROUBLES, KEEPS_ITS_VALUES, REDIS_TROUBLES, Machines, flush_redis
from tests.shared.answers import assert_problem


@dataclass
class Outage:
    """A combination of troubles, and a driver for each call."""

    redis: str
    database: str
    drivers: dict[str, Driver]


COMBINATIONS = [(redis, database) for database in DATABASE_TROUBLES for redis in REDIS_TROUBLES]


@pytest.fixture(scope="module", params=COMBINATIONS, ids=", ".join)
def outage(request: pytest.FixtureRequest, machines: Machines) -> Iterator[Outage]:
    of_redis, of_database = request.param
    break_redis, mend_redis = REDIS_TROUBLES[of_redis]
    break_database, mend_database = DATABASE_TROUBLES[of_database]
    flush_redis(machines)
    with ExitStack() as stack:
        drivers = {name: Driver.prepared(machines, stack, name) for name in CALLS}
        break_redis(machines)
        break_database(machines)
        try:
            yield Outage(of_redis, of_database, drivers)
        finally:
            mend_redis(machines)
            mend_database(machines)


@pytest.mark.parametrize("call", CALLS)
def test_each_cell(outage: Outage, call: str) -> None:
    ask, expected = CALLS[call]
    began = time.monotonic()
    answer = ask(outage.drivers[call])
    took_s = time.monotonic() - began
    is_hit = call == "a cached read" and outage.redis in KEEPS_ITS_VALUES
    if outage.database == "database up" or is_hit:
        assert answer.status_code == expected, answer.get_data(as_text=True)
        if call == "a cached read":
            assert ("hit" in answer.headers["Cache-Status"]) == is_hit
    else:
        assert_problem(answer, 503, code="service_unavailable")
    assert took_s < 4  # Below 1 s on an idle machine, also with a Redis that hangs.
