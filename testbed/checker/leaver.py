"""Who logs in and out."""

from collections.abc import Sequence

from testbed.api import Answer
from testbed.checker.caller import Caller
from testbed.checker.findings import Findings
from testbed.checker.load import Load, Send
from testbed.checker.subjects import Pass, Subject


class Leaver(Load):
    """Logs in, lets the others call with that pass, ends that login, and tries the dead pass at once, here and over
    another connection, which may lead to another web worker.
    """

    pause_s = 0.1

    def __init__(self, port: int, subjects: Sequence[Subject], findings: Findings, seed: int) -> None:
        super().__init__(port, subjects, findings, seed)
        self._elsewhere = Caller(port, findings, self.chance)

    def step(self, subject: Subject) -> None:
        """Log in and out."""
        new = self.caller.log_in(subject)
        if new is None:
            return
        subject.passes.append(new)
        for caller in (self.caller, self._elsewhere):
            self._read(caller, subject, new)
        new.is_leaving = True
        for answer in self.answers(self._end(subject, new)):
            if answer.status in (204, 401, 404):
                self._die(subject, new)
                self._replay(subject, new)

    def _end(self, subject: Subject, leaving: Pass) -> Send:
        """Choose how the login is ended: by one of its own tokens, or from another device."""
        if self.chance.random() < 0.3:
            path = f"/auth/logins/{leaving.login_id}"
            return lambda: self._noted(subject, subject.permanent, "DELETE", path)
        token = self.chance.choice((leaving.access, leaving.refresh))
        return lambda: self._noted(subject, leaving, "POST", "/auth/logout", token)

    def _noted(
        self, subject: Subject, with_pass: Pass, method: str, path: str, token: str | None = None
    ) -> Answer | None:
        subject.account.truth.note(f"{method} {path} begins")
        return self.caller.call(subject, with_pass, method, path, token=token)

    def _die(self, subject: Subject, left: Pass) -> None:
        if not left.is_dead:
            self.findings.count("logouts")
        left.is_dead = True
        subject.account.truth.note("the end of the login is acknowledged")

    def _replay(self, subject: Subject, dead: Pass) -> None:
        for caller in (self._elsewhere, self.caller, self._elsewhere):
            self._read(caller, subject, dead)
        self.caller.call(subject, dead, "POST", "/auth/refresh", token=dead.refresh)

    def _read(self, caller: Caller, subject: Subject, with_pass: Pass) -> None:
        session = self.chance.choice(list(subject.sessions.values()))
        path = self.chance.choice((f"/sessions/{session.id}", "/users/me", "/sessions"))
        caller.call(subject, with_pass, "GET", path)

    def close(self) -> None:
        """Close the connections."""
        super().close()
        self._elsewhere.close()
