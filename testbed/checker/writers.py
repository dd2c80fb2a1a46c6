"""Who changes what is there."""

from collections.abc import Sequence

from testbed.api import Answer
from testbed.checker.findings import Findings
from testbed.checker.load import Load, numbers
from testbed.checker.reader import Reader
from testbed.checker.subjects import Session, Subject


class Writer(Load):
    """Changes sessions, several threads the same ones, each change under a name that never comes again but by a
    repetition; and reads them back at once over another connection, which may lead to another web worker.
    """

    pause_s = 0.02

    def __init__(self, port: int, subjects: Sequence[Subject], findings: Findings, seed: int) -> None:
        super().__init__(port, subjects, findings, seed)
        self._elsewhere = Reader(port, subjects, findings, seed)

    def step(self, subject: Subject) -> None:
        """Change a session."""
        session = self.chance.choice(list(subject.sessions.values()))
        body, headers = {"name": f"name {next(numbers)}"}, self._if_match(session)

        def send() -> Answer | None:
            session.truth.note(f"PATCH of {body} begins")
            return self.caller.call(
                subject, subject.permanent, "PATCH", f"/sessions/{session.id}", body, headers=headers
            )

        for answer in self.answers(send):
            if self.written(answer, 200):
                session.acknowledge(answer)
            elif answer.status == 412:  # Done the first time, maybe, or another thread was faster: both is told.
                session.truth.acknowledge(answer.json["current_version"])
            else:
                continue
            self._elsewhere.read_session(subject, subject.permanent, session)

    def _if_match(self, session: Session) -> dict[str, str]:
        """Choose whether only the version that is known is to be changed. A repetition is then refused."""
        with session.truth.lock:
            known = session.truth.highest
        return {"If-Match": f'"{known}"'} if self.chance.random() < 0.5 else {}

    def close(self) -> None:
        """Close the connections."""
        super().close()
        self._elsewhere.close()


class AccountWriter(Load):
    """Changes accounts; the only one to do so, because the name carries the version that the answer does not tell."""

    pause_s = 0.05

    def step(self, subject: Subject) -> None:
        """Change an account."""
        number, truth = next(numbers), subject.account.truth

        def send() -> Answer | None:
            truth.note(f"PATCH {number} begins")
            body = {"full_name": f"Driver {number}"}
            answer = self.caller.call(subject, subject.permanent, "PATCH", "/users/me", body)
            if answer is None or answer.status != 200:
                truth.lose(number)  # However often it is repeated: this one may still be done, after later ones.
            return answer

        for answer in self.answers(send):
            if self.written(answer, 200):
                truth.acknowledge(number)
                truth.note(f"acknowledged {number}")
