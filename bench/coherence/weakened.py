"""Weaker protocols in place of the real one, to show that the checker can fail. Never used but by the checker.

Each function makes the application, as `wsgi.app` is made, and takes a part of the protocol away.
"""

from collections.abc import Iterable, Mapping

from flask import Flask
from sqlalchemy import event

from webapp import create_app
from webapp.cache.coherence import coherence
from webapp.cache.entries import Entries, Entry
from webapp.cache.redis import Cache
from webapp.extensions import db


class PlainEntries(Entries):
    """What everyone does: anybody stores what they have loaded, and a change deletes the key."""

    def lease(self, keys: Iterable[str], token: str) -> list[bool]:
        """Let everybody fill."""
        return [True for _ in keys]

    def put(self, entries: Mapping[str, Entry], ttl_s: int, token: str = "") -> list[bool]:
        """Store without a look at what is there."""
        for key, entry in entries.items():
            self._client.set(key, f"v|{self._epoch()}|{entry.version}|{entry.body}", ex=ttl_s)  # type: ignore[attr-defined]
        return [True for _ in entries]

    def fence(self, floors: Mapping[str, int]) -> set[str]:
        """Delete."""
        for key in floors:
            self._client.delete(key)  # type: ignore[attr-defined]
        return set(floors)


def delete_after_commit() -> Flask:
    """Make the application with the protocol that everyone uses: a change deletes the key after its commit."""
    app = delete_before_and_after_commit()
    event.remove(db.session, "before_commit", coherence._fence_before_commit)
    return app


def delete_before_and_after_commit() -> Flask:
    """Make the application with the better one of the usual protocols."""
    app = create_app()
    cache: Cache = app.extensions["cache"]
    cache.entries.__class__ = PlainEntries
    return app


def fence_after_commit_only() -> Flask:
    """Make the application without the fence before the commit."""
    app = create_app()
    event.remove(db.session, "before_commit", coherence._fence_before_commit)
    return app


def doubt_nothing() -> Flask:
    """Make the application with processes that serve what Redis holds whatever trouble they had with it."""
    app = create_app()
    cache: Cache = app.extensions["cache"]
    cache.trust.believes = lambda: True  # type: ignore[method-assign]
    return app


WEAKENED = {
    function.__name__: function
    for function in (delete_after_commit, delete_before_and_after_commit, fence_after_commit_only, doubt_nothing)
}
