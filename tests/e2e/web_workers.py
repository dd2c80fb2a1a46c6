"""A connection to each web worker: the kernel chooses who gets a new connection, and tells afterwards whom it chose."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from testbed.api import Api
from testbed.driver import Driver
from testbed.fleet import Fleet

ATTEMPTS = 100
BELIEVED_WITHIN_S = 10.0
POLL_S = 0.02


@contextmanager
def connections(fleet: Fleet) -> Iterator[list[Api]]:
    """Lend one connection to each web worker."""
    with ExitStack() as stack:
        found: dict[int, Api] = {}
        workers = {process.pid for process in fleet.children("web")}
        for _ in range(ATTEMPTS):
            if found.keys() == workers:
                break
            api = stack.enter_context(Api(fleet.port))
            api.call("GET", "/health/live")
            found.setdefault(_owner(fleet, api), api)
        assert found.keys() == workers, f"{ATTEMPTS} connections reached {found.keys()} of {workers}"
        yield list(found.values())


def _owner(fleet: Fleet, api: Api) -> int:
    for process in fleet.children("web"):
        if any(item.raddr and item.raddr.port == api.local_port for item in process.net_connections("tcp")):
            return int(process.pid)
    raise AssertionError("nobody owns the connection")


def wait_for_hits(apis: list[Api], driver: Driver, session_id: str, within_s: float = BELIEVED_WITHIN_S) -> None:
    """Read a session until every worker believes the cache and answers from it."""
    deadline = time.monotonic() + within_s
    for api in apis:
        while (answer := driver.call("GET", f"/sessions/{session_id}", api=api)).cache_status != "hit":
            assert answer.status == 200, answer.body
            assert time.monotonic() < deadline, f"no hit within {within_s:g} s, but {answer.cache_status}"
            time.sleep(POLL_S)
