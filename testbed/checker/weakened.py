"""Weaker protocols in place of the real one, to show that the checker can fail. Never used but by the checker.

Each function makes the application, as `create_app` does, and takes a part of the protocol away.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

from flask import Flask
from sqlalchemy import event

from webapp import create_app
from webapp.cache import coherence
from webapp.cache import redis as connections
from webapp.cache.debts import Debts, Owed
from webapp.cache.entries import Call, Entries, Entry, Floors, Outcome, Row
from webapp.cache.redis import Cache
from webapp.cache.trust import Trust
from webapp.database import db

WEAKENED_BY = "WEAKENED_BY"
"""The environment variable that tells the worker which function makes its application."""


class PlainEntries(Entries):
    """What everyone does: anybody stores what they have loaded, and a change deletes the key."""

    def lease(
        self, keys: Iterable[str], token: str, timeline: str | None = None, *, from_writers: bool = False
    ) -> list[bool]:
        """Let everybody fill."""
        return [True for _ in keys]

    def put(self, entries: Mapping[str, Entry], ttl_s: int, token: str = "", timeline: str | None = None) -> list[bool]:
        """Store without a look at what is there."""
        for key, entry in entries.items():
            self._client.set(key, f"v|{self._stamp.text}|{entry.version}|{entry.body}", ex=ttl_s)  # type: ignore[attr-defined]
        return [True for _ in entries]

    def fence(self, floors: Mapping[str, int], timeline: str | None = None) -> set[str]:
        """Delete."""
        for key in floors:
            self._client.delete(key)  # type: ignore[attr-defined]
        return set(floors)

    def fence_once(
        self, floors: Floors, timeline: str | None = None, held: Container[str] = (), token: str = ""
    ) -> set[str]:
        """Delete."""
        return self.fence(floors, timeline)

    def publish(
        self,
        floors: Floors,
        rows: Mapping[str, Row],
        token: str,
        timeline: str | None = None,
        along: Sequence[Call] = (),
    ) -> Outcome:
        """Delete."""
        return Outcome(self.fence(floors, timeline), set())


class Pushy(Entries):
    """A writer that publishes without a look at its own fence."""

    def publish(
        self,
        floors: Floors,
        rows: Mapping[str, Row],
        token: str,
        timeline: str | None = None,
        along: Sequence[Call] = (),
    ) -> Outcome:
        """Put the row, and fence only the rest."""
        for key, row in rows.items():
            held = self.held([key])[0]
            if held.version <= row.entry.version:
                stamp = self._stamp.text if timeline is None else self._stamp.under(timeline)
                self._client.set(key, f"v|{stamp}|{row.entry.version}|{row.entry.body}", ex=row.ttl_s)  # type: ignore[attr-defined]
        rest = {key: floor for key, floor in floors.items() if key not in rows}
        return Outcome(self.fence(rest, timeline) if rest else set(), set(rows))


class Credulous(Trust):
    """Who looks, and believes whatever it finds."""

    def believes(self) -> bool:
        """Believe."""
        super().believes()
        return True


class Forgetful(Debts):
    """Who owes nothing and waits for nobody."""

    def wait(self, owed: Owed, may_try: Callable[[], bool]) -> None:
        """Go on."""


class Hasty(Debts):
    """Who owes, and waits for nobody."""

    def wait(self, owed: Owed, may_try: Callable[[], bool]) -> None:
        """Write down what is owed."""
        if not owed.ids:
            self._owe_afterwards(owed)


def delete_after_commit() -> Flask:
    """Make the application with the protocol that everyone uses: a change deletes the key after its commit."""
    app = delete_before_and_after_commit()
    event.remove(db.session, "before_commit", coherence._fence_before_commit)
    return app


def delete_before_and_after_commit() -> Flask:
    """Make the application with the better one of the usual protocols."""
    app = create_app()
    _cache_of(app).entries.__class__ = PlainEntries
    return app


def fence_after_commit_only() -> Flask:
    """Make the application without the fence before the commit."""
    app = create_app()
    event.remove(db.session, "before_commit", coherence._fence_before_commit)
    return app


def publish_anywhere() -> Flask:
    """Make the application with writers that put what they committed whatever the key is, if it is not newer."""
    app = create_app()
    _cache_of(app).entries.__class__ = Pushy
    return app


def doubt_nothing() -> Flask:
    """Make the application with processes that serve what Redis holds whatever trouble they had with it."""
    app = create_app()
    _cache_of(app).trust.__class__ = Credulous
    return app


def acknowledge_at_once() -> Flask:
    """Make the application with writers that acknowledge what Redis did not take, and tell nobody."""
    app = create_app()
    _cache_of(app).debts.__class__ = Forgetful
    vars(coherence)["owe"] = _owe_nothing
    return app


def owe_but_do_not_wait() -> Flask:
    """Make the application with writers that write down what Redis did not take, and acknowledge at once."""
    app = create_app()
    _cache_of(app).debts.__class__ = Hasty
    return app


def stamp_without_replid() -> Flask:
    """Make the application that knows a server by its run id alone, whoever was the primary meanwhile."""
    vars(connections)["server_of"] = _run_id
    return create_app()


def _cache_of(app: Flask) -> Cache:
    cache: Cache = app.extensions["cache"]
    return cache


def _owe_nothing(_connection: Any, _floors: Any) -> list[str]:
    return []


def _run_id(info: Mapping[str, str]) -> str:
    return str(info.get("run_id"))


WEAKENED = {
    function.__name__: function
    for function in (
        delete_after_commit,
        delete_before_and_after_commit,
        fence_after_commit_only,
        publish_anywhere,
        doubt_nothing,
        acknowledge_at_once,
        owe_but_do_not_wait,
        stamp_without_replid,
    )
}
