"""An application that lasts for all tests that only knock at its gate: Carol drives, Mallory wants in."""

from dataclasses import dataclass

from flask import Flask

from testbed.people import Person
from tests.shared.answers import assert_refused


@dataclass
class Gate:
    """A protected call, and Carol's drive, which stands hot in the cache: a token is tried at both."""

    app: Flask
    carol: Person
    mallory: Person
    drive_id: str

    @property
    def paths(self) -> tuple[str, str]:
        return "/users/me", f"/sessions/{self.drive_id}"

    def refuses(self, token: str, code: str | None = None) -> None:
        """Assert that nobody gets in with this token: neither at a hot read nor at another."""
        for path in self.paths:
            assert_refused(self.carol.get(path, token=token), code)

    def opens(self, token: str) -> None:
        """Assert that the token is good. What is refused beside it is then refused for what was changed of it."""
        for path in self.paths:
            assert self.carol.get(path, token=token).status_code == 200

    def refuses_headers(self, headers: list[tuple[str, str]], query: str = "") -> None:
        """Assert that nobody gets in with these headers, as they are, and this query string."""
        for path in self.paths:
            assert_refused(self.carol.client.get(f"/api/v1{path}{query}", headers=headers))
