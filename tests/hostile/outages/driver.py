"""A driver to whom an outage happens, and what a driver asks for."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from werkzeug.test import TestResponse

from testbed.people import PASSWORD, Person
from tests.hostile.outages.machines import Machines
from webapp.driving.cached_sessions import SESSIONS


@dataclass
class Driver:
    """A driver, calling a process of their own, with a drive that is hot in the cache."""

    person: Person
    path: str

    @classmethod
    def prepared(cls, machines: Machines, stack: ExitStack, name: str) -> "Driver":
        app = stack.enter_context(machines.process())
        person = Person.registered(app, f"{name.replace(' ', '.')}.{time.monotonic_ns()}@example.com")
        driver = cls(person, f"/sessions/{person.starts_a_drive()['id']}")
        for _ in range(2):
            assert person.get(driver.path).status_code == 200
        if name == "a miss":
            app.extensions["cache"].client.delete(SESSIONS.key(driver.path.rpartition("/")[2]))
        return driver


Ask = Callable[[Driver], TestResponse]


def log_in(driver: Driver) -> TestResponse:
    body = {"email": driver.person.email, "password": PASSWORD}
    return driver.person.client.post("/api/v1/auth/login", json=body)


def refresh(driver: Driver) -> TestResponse:
    return driver.person.post("/auth/refresh", token=driver.person.tokens["refresh_token"])


def log_out(driver: Driver) -> TestResponse:
    return driver.person.post("/auth/logout")


def change(driver: Driver) -> TestResponse:
    return driver.person.patch(driver.path, json={"name": "new"})


def read(driver: Driver) -> TestResponse:
    return driver.person.get(driver.path)


CALLS: dict[str, tuple[Ask, int]] = {
    "a cached read": (read, 200),
    "a miss": (read, 200),
    "a login": (log_in, 200),
    "a refresh": (refresh, 200),
    "a logout": (log_out, 204),
    "a change": (change, 200),
}
