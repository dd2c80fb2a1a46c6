"""The coherence protocol as a pure state machine, and the weaker protocols that it is compared with.

One key is a `Key`; an operation is a function of the key that answers what the caller is told and what the key is then.
`lease`, `put`, `fence` and `read` are those of `webapp.cache.entries`, transition by transition: `test_model` runs all
of them against a real server and compares. The weaker operations at the end are what other caches do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


class Key(NamedTuple):
    """What a key is: "absent", "value" or "pending"; the version or the floor; and who holds the lease."""

    state: str
    version: int
    holder: str = ""

    def __str__(self) -> str:
        if self.state == "absent":
            return "absent"
        return f"{self.state}({self.version}{', ' + self.holder if self.holder else ''})"


ABSENT = Key("absent", -1)


def value(version: int) -> Key:
    """Make a key that holds the row at `version`."""
    return Key("value", version)


def pending(floor: int, holder: str = "") -> Key:
    """Make a key that waits for a row of version `floor` or newer, from `holder`."""
    return Key("pending", floor, holder)


class Answer(NamedTuple):
    """What an operation tells its caller, and what the key is after it."""

    granted: bool
    key: Key


def read(key: Key) -> int | None:
    """Return the version that is served, or None for a miss."""
    return key.version if key.state == "value" else None


def lease(key: Key, token: str) -> Answer:
    """Ask for the right to fill the key."""
    if key.state == "value" or (key.state == "pending" and key.holder not in ("", token)):
        return Answer(False, key)
    return Answer(True, pending(max(key.version, 0), token))


def put(key: Key, version: int, token: str) -> Answer:
    """Store a row under the lease `token`, or, with an empty token, in place of a value that is not newer."""
    if key.state == "absent" or (key.state == "pending" and (not token or key.holder != token)):
        return Answer(False, key)
    if version < key.version:
        return Answer(False, pending(key.version) if key.state == "pending" else key)
    return Answer(True, value(version))


def fence(key: Key, floor: int) -> Answer:
    """Forbid every version below `floor`. Granted says that the key was not fenced yet."""
    if key.state != "absent" and key.version >= floor:
        return Answer(False, key)
    return Answer(key.state != "pending", pending(floor))


def delete(key: Key, floor: int) -> Answer:
    """Delete the key, as most caches do after a write. The new version is not told."""
    return Answer(key != ABSENT, ABSENT)


def store(key: Key, version: int, token: str) -> Answer:
    """Store a row whatever the key is, as most caches do after a miss."""
    return Answer(True, value(version))


def put_without_lease(key: Key, version: int, token: str) -> Answer:
    """Store a row unless the key knows of a newer one. That is a lease taken only after the row was loaded."""
    return put(lease(key, token).key, version, token)


def lease_by_number(key: Key, token: str) -> Answer:
    """Ask for the right to fill the key, and get the number 1 as a token: the server's counter is gone with the key."""
    return Answer(False, key) if key.holder else lease(key, "1")


def put_by_number(key: Key, version: int, token: str) -> Answer:
    """Store a row under the lease number 1."""
    return put(key, version, "1")


@dataclass(frozen=True)
class Protocol:
    """Who does what: the writer before its COMMIT and after it, and a filler before it loads the row and after it."""

    name: str
    before_commit: Callable[[Key, int], Answer] | None
    after_commit: Callable[[Key, int], Answer] | None
    before_load: Callable[[Key, str], Answer] | None = lease
    after_load: Callable[[Key, int, str], Answer] = put


OURS = Protocol("fence_before_and_after_commit", fence, fence)

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("delete_after_commit", None, delete, None, store),
        Protocol("delete_before_and_after_commit", delete, delete, None, store),
        Protocol("version_check_without_lease", fence, fence, None, put_without_lease),
        Protocol("lease_numbers_that_restart", fence, fence, lease_by_number, put_by_number),
        Protocol("fence_after_commit_only", None, fence),
        Protocol("fence_before_commit_only", fence, None),
        OURS,
    )
}
