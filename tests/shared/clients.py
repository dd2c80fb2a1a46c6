"""Clients whose requests have contexts of their own, as in production, even where a test stands in one."""

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse


class ClientOfItsOwn(FlaskClient):
    """Flask lets a request join the application context that is there, and with it the database session."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        with self.application.app_context():
            return super().open(*args, **kwargs)
