"""The load: threads that read, write, start and delete, log in and out, until the run is over."""

import itertools
import random
import threading
from collections.abc import Callable, Sequence

from bench.coherence.caller import Caller
from bench.coherence.findings import Findings
from bench.coherence.registers import GONE, Floors, View
from bench.coherence.subjects import Pass, Session, Subject, described
from tests.e2e.api import Answer

CONDITIONAL_SHARE = 0.3
REPLAYS_AT_ONCE = 3

numbers = itertools.count(1)


class Load:
    """What one thread does: `step` again and again, with a pause in between."""

    pause_s = 0.005

    def __init__(self, port: int, subjects: Sequence[Subject], findings: Findings, seed: int) -> None:
        self.subjects = subjects
        self.findings = findings
        self.chance = random.Random(seed)
        self.caller = Caller(port, findings, self.chance)

    def run(self, over: threading.Event) -> None:
        """Go on until the run is over."""
        while not over.is_set():
            self.step(self.chance.choice(self.subjects))
            over.wait(self.chance.expovariate(1 / self.pause_s))
        self.caller.close()

    def step(self, subject: Subject) -> None:
        """Do one thing."""
        raise NotImplementedError

    def written(self, answer: Answer | None, status: int = 200) -> bool:
        """Say whether a write was acknowledged, and count it."""
        if answer is None or answer.status != status:
            return False
        self.findings.count("writes")
        return True


class Reader(Load):
    """Reads sessions, lists and accounts, with passes that are alive or dead."""

    def step(self, subject: Subject) -> None:
        """Read something."""
        read = self.chance.choices((self._session, self._list, self._account), (70, 15, 15))[0]
        read(subject, subject.some_pass(self.chance))

    def _session(self, subject: Subject, with_pass: Pass) -> None:
        session = subject.some_session(self.chance)
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


class Writer(Load):
    """Changes sessions, several threads the same ones, each change under a name that never comes again."""

    pause_s = 0.02

    def step(self, subject: Subject) -> None:
        """Change a session."""
        session = self.chance.choice(list(subject.sessions.values()))
        session.truth.note("PATCH begins")
        body = {"name": f"name {next(numbers)}"}
        answer = self.caller.call(subject, subject.permanent, "PATCH", f"/sessions/{session.id}", body)
        if answer is not None and self.written(answer):
            session.acknowledge(answer)
        else:
            session.truth.note(f"PATCH of {body} is not acknowledged")


class AccountWriter(Load):
    """Changes accounts; the only one to do so, because the name carries the version that the answer does not tell."""

    pause_s = 0.05

    def step(self, subject: Subject) -> None:
        """Change an account."""
        number = next(numbers)
        subject.account.truth.note(f"PATCH {number} begins")
        answer = self.caller.call(subject, subject.permanent, "PATCH", "/users/me", {"full_name": f"Driver {number}"})
        if self.written(answer):
            subject.account.truth.acknowledge(number)
            subject.account.truth.note(f"acknowledged {number}")
        else:
            subject.account.truth.lose(number)


class Churner(Load):
    """Starts drives, ends them and deletes them; the only one to do so, because a driver has one active drive."""

    pause_s = 0.05

    def step(self, subject: Subject) -> None:
        """Start a drive, or take up one that is active because an answer was lost; end it, and delete it."""
        answer = self.caller.call(subject, subject.permanent, "POST", "/sessions", {"name": f"name {next(numbers)}"})
        if answer is None:
            return
        session = self._started(subject, answer)
        if session is None:
            return
        ended = self.caller.call(subject, subject.permanent, "POST", f"/sessions/{session.id}/end", {})
        if ended is not None and self.written(ended):
            session.acknowledge(ended)
            subject.sessions[session.id] = session
        self._delete(subject, session)

    def _started(self, subject: Subject, answer: Answer) -> Session | None:
        if self.written(answer, 201):
            session = subject.sessions[answer.json["id"]] = Session(answer.json["id"])
            session.acknowledge(answer)
            return session
        active_id = answer.json.get("session_id") if answer.status == 409 else None
        return Session(active_id) if active_id else None

    def _delete(self, subject: Subject, session: Session) -> None:
        session.is_leaving = True
        subject.sessions.pop(session.id, None)
        subject.gone.append(session)
        session.truth.note("DELETE begins")
        if self.written(self.caller.call(subject, subject.permanent, "DELETE", f"/sessions/{session.id}"), 204):
            session.truth.acknowledge(GONE)
            session.truth.note("acknowledged gone")


class Leaver(Load):
    """Logs in, lets the others call with that pass, logs out, and tries the dead pass at once."""

    pause_s = 0.1

    def step(self, subject: Subject) -> None:
        """Log in and out."""
        new = self.caller.log_in(subject)
        if new is None:
            return
        subject.passes.append(new)
        self._read(subject, new)
        self._read(subject, new)
        new.is_leaving = True
        subject.account.truth.note("logout begins")
        token = self.chance.choice((new.access, new.refresh))
        answer = self.caller.call(subject, new, "POST", "/auth/logout", token=token)
        if answer is None or answer.status != 204:
            return
        new.is_dead = True
        self.findings.count("logouts")
        subject.account.truth.note("logout acknowledged")
        for _ in range(REPLAYS_AT_ONCE):
            self._read(subject, new)
        self.caller.call(subject, new, "POST", "/auth/refresh", token=new.refresh)

    def _read(self, subject: Subject, with_pass: Pass) -> None:
        session = self.chance.choice(list(subject.sessions.values()))
        path = self.chance.choice((f"/sessions/{session.id}", "/users/me", "/sessions"))
        self.caller.call(subject, with_pass, "GET", path)


THREADS: tuple[tuple[Callable[..., Load], int], ...] = (
    (Reader, 6),
    (Writer, 2),
    (AccountWriter, 1),
    (Churner, 1),
    (Leaver, 2),
)
