"""Who starts, ends and deletes drives."""

from uuid import uuid4

from testbed.api import Answer
from testbed.checker.load import Load, Send, numbers
from testbed.checker.registers import GONE
from testbed.checker.subjects import Session, Subject


class Churner(Load):
    """Starts drives, ends them and deletes them; the only one to do so, because a driver has one active drive."""

    pause_s = 0.05

    def step(self, subject: Subject) -> None:
        """Start a drive, or take up one that is active because an answer was lost; end it, and delete it."""
        session = self._started(subject)
        if session is None:
            return

        def end() -> Answer | None:
            return self.caller.call(subject, subject.permanent, "POST", f"/sessions/{session.id}/end", {})

        for answer in self.answers(end):
            if self.written(answer, 200):
                session.acknowledge(answer)
                subject.sessions[session.id] = session
        self._delete(subject, session)

    def _started(self, subject: Subject) -> Session | None:
        session = None
        for answer in self.answers(self._start(subject)):
            if self.written(answer, 201):
                session = subject.sessions.setdefault(answer.json["id"], session or Session(answer.json["id"]))
                session.acknowledge(answer)
            elif session is None and answer.status == 409 and "session_id" in answer.json:
                return Session(answer.json["session_id"])
        return session

    def _start(self, subject: Subject) -> Send:
        """Choose how a repetition is to be recognized: by an id, by a key, or by the drive that is active already."""
        body, headers, id = {"name": f"name {next(numbers)}"}, {}, str(uuid4())
        recognized_by = self.chance.choice(("client_session_id", "Idempotency-Key", None))
        if recognized_by == "client_session_id":
            body["client_session_id"] = id
        elif recognized_by:
            headers[recognized_by] = id
        return lambda: self.caller.call(subject, subject.permanent, "POST", "/sessions", body, headers=headers)

    def _delete(self, subject: Subject, session: Session) -> None:
        session.is_leaving = True
        subject.sessions.pop(session.id, None)
        subject.gone.append(session)

        def delete() -> Answer | None:
            session.truth.note("DELETE begins")
            return self.caller.call(subject, subject.permanent, "DELETE", f"/sessions/{session.id}")

        for answer in self.answers(delete):
            if self.written(answer, 204, 404):
                session.truth.acknowledge(GONE)
                session.truth.note(f"acknowledged gone ({answer.status})")
