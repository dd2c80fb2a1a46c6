"""Calling the API on behalf of a subject, and judging whether the pass was rightly accepted or refused."""

import random
from typing import Any

from testbed.api import Answer, Api, NoAnswer
from testbed.checker.findings import DEFECTS, REFUSED, REVIVED, Findings
from testbed.checker.subjects import Pass, Subject

RECONNECT_CHANCE = 0.02
"""How often a new connection is opened, which the kernel may give to another web worker."""


class Caller:
    """One thread's connection."""

    def __init__(self, port: int, findings: Findings, chance: random.Random) -> None:
        self.findings = findings
        self.chance = chance
        self._api = Api(port)

    def call(
        self,
        subject: Subject,
        with_pass: Pass,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer | None:
        """Call with a pass (its access token unless said otherwise); None when no answer came, which is counted."""
        was_dead, truth = with_pass.is_dead, subject.account.truth
        if self.chance.random() < RECONNECT_CHANCE:
            self._api.close()
        try:
            answer = self._api.call(
                method, f"/api/v1{path}", token=token or with_pass.access, body=body, headers=headers
            )
        except NoAnswer as error:
            self.findings.error(f"{method}: no answer")
            truth.note(str(error))
            return None
        self._judge(subject, with_pass, was_dead, f"{method} {path}", answer)
        return answer

    def log_in(self, subject: Subject) -> Pass | None:
        """Log in anew; None when that was not possible, which is counted."""
        try:
            answer = self._api.call("POST", "/api/v1/auth/login", body=subject.credentials)
        except NoAnswer:
            self.findings.error("login: no answer")
            return None
        if answer.status != 200:
            self.findings.error(f"login: {answer.status}")
            return None
        subject.account.truth.note("logged in")
        return Pass.of(answer.json)

    def close(self) -> None:
        """Close the connection."""
        self._api.close()

    def _judge(self, subject: Subject, with_pass: Pass, was_dead: bool, what: str, answer: Answer) -> None:
        timeline = subject.account.truth.timeline
        if was_dead:
            self.findings.count("replays")
        if answer.status == 401:
            if not with_pass.is_leaving:
                self.findings.violation(REFUSED, f"{what}: {answer.body!r}", list(timeline))
        elif answer.status == 500:
            self.findings.violation(DEFECTS, f"{what}: {answer.body!r}", list(timeline))
        elif answer.status >= 500 or answer.status in (400, 409, 412, 422, 429):
            self.findings.error(f"{what.split(' ', 1)[0]}: {answer.status}")
        elif was_dead:
            self.findings.violation(REVIVED, f"{what}: {answer.status} {answer.cache_status}", list(timeline))
