"""A driver's account: registers, logs in, calls with its tokens, renews them, logs out."""

import secrets
from typing import Any
from uuid import uuid4

from driveplayer.client import Answer, Client, ClientError

PREFIX = "/api/v1"


class Refused(ClientError):
    """The server answered, and did not do what was asked."""

    def __init__(self, method: str, path: str, answer: Answer) -> None:
        self.answer = answer
        super().__init__(f"{method} {PREFIX}{path}: {_reason(answer)}")


class Account:
    """A driver. Without an e-mail address it is a fresh one with a random password. Paths are relative to /api/v1."""

    def __init__(self, client: Client, email: str | None = None, password: str | None = None) -> None:
        self.client = client
        self.email = email or f"driver-{uuid4()}@example.com"
        self.password = password or secrets.token_urlsafe(16)
        self._tokens: dict[str, Any] = {}

    @property
    def access_token(self) -> str:
        """Return the present access token."""
        return str(self._tokens["access_token"])

    def register(self) -> bool:
        """Make the account; return whether it is new. One that is there already will do, if the password is its own."""
        body = {"email": self.email, "password": self.password, "full_name": "Drive Player"}
        answer = self._public_call("/auth/register", body, accepted=(201, 409))
        if answer.status == 201:
            answer.document("id", "email")
        return answer.status == 201

    def log_in(self) -> None:
        """Get tokens."""
        answer = self._public_call("/auth/login", {"email": self.email, "password": self.password}, accepted=(200,))
        self._tokens = answer.document("access_token", "refresh_token")

    def call(self, method: str, path: str, *, accepted: tuple[int, ...] = (200,), **kwargs: Any) -> Answer:
        """Call as this driver, and get new tokens first where the access token has expired.

        Raises Refused for a status that is not accepted.
        """
        answer = self._call(method, path, "access_token", **kwargs)
        if answer.status == 401 and _code(answer) == "token_expired":
            renewed = self._call("POST", "/auth/refresh", "refresh_token")
            if renewed.status != 200:
                raise Refused("POST", "/auth/refresh", renewed)
            self._tokens = renewed.document("access_token", "refresh_token")
            answer = self._call(method, path, "access_token", **kwargs)
        if answer.status not in accepted:
            raise Refused(method, path, answer)
        return answer

    def log_out(self) -> None:
        """End this login, and make sure that neither of its tokens is good for anything any more."""
        # Repeated because its answer was lost, a logout meets a token that is dead already.
        self.call("POST", "/auth/logout", accepted=(204, 401))
        for method, path, token in (("GET", "/users/me", "access_token"), ("POST", "/auth/refresh", "refresh_token")):
            answer = self._call(method, path, token)
            if answer.status != 401:
                raise ClientError(f"the {token} should be refused after the logout: {_reason(answer)}")

    def _public_call(self, path: str, body: Any, accepted: tuple[int, ...]) -> Answer:
        answer = self.client.call("POST", PREFIX + path, body=body)
        if answer.status not in accepted:
            raise Refused("POST", path, answer)
        return answer

    def _call(self, method: str, path: str, token: str, **kwargs: Any) -> Answer:
        return self.client.call(method, PREFIX + path, token=self._tokens[token], **kwargs)


def _reason(answer: Answer) -> str:
    """Say in one line what a problem document says, or what else was answered."""
    if not answer.headers.get("Content-Type", "").startswith("application/problem+json"):
        return f"answered {answer.summary}, so this is another server"
    problem = answer.document()
    wrong = "".join(f"; {error.get('pointer')} {error.get('detail')}" for error in problem.get("errors") or ())
    what = f"{answer.status} {problem.get('code')}: {problem.get('detail')}{wrong}"
    return f"{what} (request {problem.get('request_id')})"


def _code(answer: Answer) -> str | None:
    try:
        return answer.document().get("code")
    except ClientError:
        return None
