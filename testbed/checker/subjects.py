"""What is read and written during a run: drivers, their sessions, and the passes that they call with."""

import json
import random
from base64 import urlsafe_b64decode
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from testbed.api import Answer, Api
from testbed.checker.registers import GONE, LOST, Judgement, Truth, View
from testbed.driver import PASSWORD, Driver, expect

PASSES_KEPT = 40
GONE_KEPT = 10


@dataclass
class Pass:
    """The tokens of one login. `is_leaving` from before its logout is sent, `is_dead` once that is acknowledged."""

    access: str
    refresh: str
    is_leaving: bool = False
    is_dead: bool = False

    @classmethod
    def of(cls, tokens: dict[str, Any]) -> "Pass":
        """Make it of a login's answer."""
        return cls(tokens["access_token"], tokens["refresh_token"])

    @property
    def login_id(self) -> str:
        """Return which login it is, as its tokens say."""
        payload = self.access.split(".")[1]
        return str(json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["login"])


class Session:
    """A driving session: what is true of it, and the two entries that show it. `is_leaving` from before its DELETE."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.truth = Truth("session", id)
        self.alone = View(self.truth)
        self.in_list = View(self.truth)
        self.is_leaving = False

    def acknowledge(self, answer: Answer) -> None:
        """Take note of a write of it that was answered with the session as it is now."""
        self.truth.acknowledge(answer.json["version"], answer.json["name"])
        self.truth.note(f"acknowledged {answer.json['version']} ({_request(answer)})")

    @property
    def version_when_absent(self) -> int:
        """Return what it means that it is not there: deleted, if that may be, or lost."""
        return GONE if self.is_leaving else LOST


@dataclass
class Subject:
    """A driver with an account: the sessions, the pass that stays, and those that come and go."""

    id: str
    email: str
    permanent: Pass
    sessions: dict[str, Session] = field(default_factory=dict)
    gone: deque[Session] = field(default_factory=lambda: deque(maxlen=GONE_KEPT))
    passes: deque[Pass] = field(default_factory=lambda: deque(maxlen=PASSES_KEPT))

    def __post_init__(self) -> None:
        self.account = View(Truth("account", self.id))

    @classmethod
    def registered(cls, api: Api, sessions: int) -> "Subject":
        """Make an account with so many completed drives."""
        driver = Driver.registered(api)
        subject = cls(driver.id, driver.email, Pass.of(driver.tokens))
        for number in range(sessions):
            session = Session(driver.starts_a_drive(name=f"drive {number}")["id"])
            session.acknowledge(expect(200, driver.call("POST", f"/sessions/{session.id}/end", {})))
            subject.sessions[session.id] = session
        return subject

    @property
    def credentials(self) -> dict[str, str]:
        """Return the body of a login."""
        return {"email": self.email, "password": PASSWORD}

    def some_session(self, chance: random.Random) -> Session:
        """Choose a session, now and then one that was deleted."""
        if self.gone and chance.random() < 0.1:
            return chance.choice(list(self.gone))
        return chance.choice(list(self.sessions.values()))

    def some_pass(self, chance: random.Random) -> Pass:
        """Choose a pass, alive or dead."""
        return chance.choice(list(self.passes)) if self.passes and chance.random() < 0.35 else self.permanent


def described(kind: str, version: int, answer: Answer, judgement: Judgement) -> str:
    """Say what a read returned, for the timeline."""
    shown = "gone" if version == GONE else str(version)
    return f"{kind} returned {shown} {answer.cache_status}{' WRONG' if judgement.is_wrong else ''} ({_request(answer)})"


def _request(answer: Answer) -> str:
    return f"{answer.headers.get('X-Request-ID', '')[:8]} {answer.seconds * 1000:.0f} ms"
