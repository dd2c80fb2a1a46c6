"""Clients whose requests have contexts of their own, as in production, even where a test stands in one."""

from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse


def client_of_its_own(app: Flask) -> type[FlaskClient]:
    """Return the class of an application's clients, made independent of the test.

    Flask lets a request join the application context that is there, and with it the database session.
    """
    parent: type[FlaskClient] = app.test_client_class or FlaskClient

    class ClientOfItsOwn(parent):  # type: ignore[misc, valid-type]
        def open(self, *args: Any, **kwargs: Any) -> TestResponse:
            with self.application.app_context():
                return super().open(*args, **kwargs)

    return ClientOfItsOwn
