"""A driver whose app calls the API over real HTTP."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from testbed.api import Answer, Api

PASSWORD = "correct horse battery"


@dataclass
class Driver:
    """Somebody with an account and a connection. Paths are relative to /api/v1."""

    api: Api
    email: str
    id: str = ""
    tokens: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def registered(cls, api: Api) -> "Driver":
        """Make an account, and log in."""
        driver = cls(api, f"{uuid4().hex}@example.com")
        body = {"email": driver.email, "password": PASSWORD, "full_name": "Alice"}
        driver.id = expect(201, api.call("POST", "/api/v1/auth/register", body=body)).json["id"]
        driver.log_in()
        return driver

    def log_in(self) -> Answer:
        """Log in, and call with the new tokens from now on."""
        body = {"email": self.email, "password": PASSWORD}
        answer = expect(200, self.api.call("POST", "/api/v1/auth/login", body=body))
        self.tokens = answer.json
        return answer

    def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, api: Api | None = None
    ) -> Answer:
        """Call with the access token, or with another one; over the own connection, or over another one."""
        token = token or self.tokens["access_token"]
        return (api or self.api).call(method, f"/api/v1{path}", token=token, body=body)

    def starts_a_drive(self, **fields: Any) -> dict[str, Any]:
        """Start a drive and return its session."""
        return dict(expect(201, self.call("POST", "/sessions", fields)).json)


def expect(status: int, answer: Answer) -> Answer:
    """Return the answer; AssertionError, with what it says, unless it has this status."""
    assert answer.status == status, f"{answer.status} instead of {status}: {answer.body.decode(errors='replace')}"
    return answer
