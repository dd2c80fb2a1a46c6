"""Mallory, who sends what nobody should."""

from collections.abc import Iterator

import pytest

from testbed.people import Person
from tests.shared.gate import Gate


@pytest.fixture
def mallory(gate: Gate) -> Iterator[Person]:
    """A caller with good tokens, an active drive, and bad intentions; the drive must be as it was afterwards."""
    person = gate.mallory
    listed = person.get("/sessions").json
    yield person
    assert person.get("/sessions").json == listed
    assert person.get("/users/me").status_code == 200
