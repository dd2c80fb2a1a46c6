"""What is cached of a user when they log in: a favour to the next request, which never costs the login."""

from unittest.mock import patch

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from testbed.people import Person
from webapp.auth.cached_users import USERS
from webapp.cache import fills
from webapp.cache.redis import Cache

AWAY = OperationalError("SELECT", {}, Exception("no route to host"))
BUSY = PoolTimeoutError("QueuePool limit reached")


@pytest.mark.parametrize("error", [AWAY, BUSY])
def test_a_login_is_answered_though_the_database_goes_away_when_it_is_done(
    app: Flask, alice: Person, cache: Cache, error: SQLAlchemyError
) -> None:
    with patch.object(fills, "read_connection", side_effect=error):
        assert alice.log_in()
    assert alice.get("/users/me").status_code == 200
    assert cache.entries.held([USERS.key(alice.id)])[0].state == "value", "no lease stands in the next one's way"
