"""People who call the API, as an app would: over HTTP, with their tokens."""

from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

PASSWORD = "correct horse battery"


@dataclass
class Person:
    """Somebody with an account. Paths are relative to /api/v1."""

    client: FlaskClient
    email: str
    id: str = ""
    tokens: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def registered(cls, app: Flask, email: str) -> "Person":
        """Make an account, and log in."""
        person = cls(app.test_client(), email)
        body = {"email": email, "password": PASSWORD, "full_name": email.partition("@")[0].title()}
        answer = person.client.post("/api/v1/auth/register", json=body)
        assert answer.status_code == 201, answer.get_data(as_text=True)
        person.id = answer.get_json()["id"]
        person.log_in()
        return person

    def log_in(self) -> dict[str, Any]:
        """Log in, and call with the new tokens from now on."""
        answer = self.client.post("/api/v1/auth/login", json={"email": self.email, "password": PASSWORD})
        assert answer.status_code == 200, answer.get_data(as_text=True)
        self.tokens = answer.get_json()
        return self.tokens

    def call(self, method: str, path: str, *, token: str | None = None, **kwargs: Any) -> TestResponse:
        """Call with the access token, or with another one."""
        headers = {"Authorization": f"Bearer {token or self.tokens['access_token']}", **kwargs.pop("headers", {})}
        return self.client.open(f"/api/v1{path}", method=method, headers=headers, **kwargs)

    def get(self, path: str, **kwargs: Any) -> TestResponse:
        return self.call("GET", path, **kwargs)

    def post(self, path: str, **kwargs: Any) -> TestResponse:
        return self.call("POST", path, **kwargs)

    def patch(self, path: str, **kwargs: Any) -> TestResponse:
        return self.call("PATCH", path, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> TestResponse:
        return self.call("DELETE", path, **kwargs)

    def starts_a_drive(self, **fields: Any) -> dict[str, Any]:
        """Start a drive and return its session."""
        answer = self.post("/sessions", json=fields)
        assert answer.status_code == 201, answer.get_data(as_text=True)
        return dict(answer.get_json())
