"""Drivers of applications with other settings, and a search for secrets after each test."""

from collections.abc import Iterator

import pytest
from flask import Flask

from testbed.applications import believing, closed
from testbed.people import Person
from tests.driving.makers import MakeDriver
from tests.shared.attacked import nothing_leaks, patience, settings
from webapp import create_app
from webapp.config import Settings

__all__ = ["nothing_leaks", "patience", "settings"]


@pytest.fixture(scope="package")
def way_in() -> str:
    """Have the clients call Flask alone: what is tested here is the same behind the door."""
    return "flask"


@pytest.fixture
def driver_with(app: Flask, settings: Settings) -> Iterator[MakeDriver]:
    """Make drivers of applications with other settings."""
    made = []

    def make(**changed: object) -> Person:
        made.append(believing(create_app(settings.model_copy(update=changed))))
        return Person.registered(made[-1], "carol@example.com")

    yield make
    for further in made:
        closed(further)
