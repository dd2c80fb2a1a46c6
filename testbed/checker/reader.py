"""Who reads, and holds what comes back against what is known."""

from testbed.api import Answer
from testbed.checker.load import Load
from testbed.checker.registers import GONE, Floors, View
from testbed.checker.subjects import Pass, Session, Subject, described

CONDITIONAL_SHARE = 0.3


class Reader(Load):
    """Reads sessions, lists and accounts, with passes that are alive or dead."""

    def step(self, subject: Subject) -> None:
        """Read something."""
        read = self.chance.choices((self._some_session, self._list, self._account), (70, 15, 15))[0]
        read(subject, subject.some_pass(self.chance))

    def _some_session(self, subject: Subject, with_pass: Pass) -> None:
        self.read_session(subject, with_pass, subject.some_session(self.chance))

    def read_session(self, subject: Subject, with_pass: Pass, session: Session) -> None:
        """Read one session."""
        headers, floors = {}, session.alone.begin()
        if 0 < floors.returned < GONE and self.chance.random() < CONDITIONAL_SHARE:
            headers["If-None-Match"] = f'"{floors.returned}"'
        answer = self.caller.call(subject, with_pass, "GET", f"/sessions/{session.id}", headers=headers)
        if answer is None or answer.status not in (200, 304, 404):
            return
        version, content = session.version_when_absent, None
        if answer.status != 404:
            version = int(answer.headers["ETag"].strip('"'))
        if answer.status == 200:
            content = answer.json["name"]
            if answer.json["version"] != version:
                content = f"version {answer.json['version']}"
        self._hold("session", session.alone, floors, version, content, answer)

    def _list(self, subject: Subject, with_pass: Pass) -> None:
        expected = [(session, session.in_list.begin()) for session in (*subject.sessions.values(), *subject.gone)]
        answer = self.caller.call(subject, with_pass, "GET", "/sessions")
        if answer is None or answer.status != 200:
            return
        rows = {row["id"]: row for row in answer.json["data"]}
        for session, floors in expected:
            row = rows.get(session.id)
            version = row["version"] if row else session.version_when_absent
            self._hold("list", session.in_list, floors, version, row["name"] if row else None, answer)
        self.findings.read("list", answer.seconds, answer.cache_status)

    def _account(self, subject: Subject, with_pass: Pass) -> None:
        floors = subject.account.begin()
        answer = self.caller.call(subject, with_pass, "GET", "/users/me")
        if answer is None or answer.status != 200:
            return
        version = int(answer.json["full_name"].rpartition(" ")[2]) if " " in answer.json["full_name"] else 0
        self._hold("account", subject.account, floors, version, None, answer)

    def _hold(self, kind: str, view: View, floors: Floors, version: int, content: str | None, answer: Answer) -> None:
        judgement = view.judge(floors, version, content)
        event = described(kind, version, answer, judgement)
        view.truth.note(event)
        if kind != "list":
            self.findings.read(kind, answer.seconds, answer.cache_status)
        if judgement.is_wrong:
            self.findings.hold(event, view, floors, judgement)
