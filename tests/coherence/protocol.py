"""The coherence protocol as a pure state machine, and the weaker protocols that it is compared with.

One key is a `Key`; an operation is a function of the key that answers what the caller is told and what the key is then.
`lease`, `put`, `fence`, `publish` and `read` are those of `webapp.cache.entries`, transition by transition:
`test_scripts` runs all of them against a real server and compares. The weaker operations at the end are what other
caches do.
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
WRITER = "w"
"""What the tokens of writers begin with."""


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


def take_over(key: Key, token: str) -> Answer:
    """Ask for the right to fill the key, also in place of a writer that has fenced it."""
    return lease(key._replace(holder="") if key.holder.startswith(WRITER) else key, token)


def put(key: Key, version: int, token: str) -> Answer:
    """Store a row under the lease `token`, or, with an empty token, in place of a value that is not newer."""
    if key.state == "absent" or (key.state == "pending" and (not token or key.holder != token)):
        return Answer(False, key)
    if version < key.version:
        return Answer(False, pending(key.version) if key.state == "pending" else key)
    return Answer(True, value(version))


def fence(key: Key, floor: int, token: str = "") -> Answer:
    """Forbid every version below `floor`, and let nobody fill but the writer with `token`, if there is one.

    Granted says that the key was not fenced yet.
    """
    is_for_writer = key.state == "pending" and (bool(token) or key.holder.startswith(WRITER))
    is_there = key.state != "absent" and key.version >= floor
    if is_there and not (key.version == floor and is_for_writer):
        return Answer(False, key)
    return Answer(key.state != "pending", pending(floor, token))


def fence_alone(key: Key, floor: int, token: str) -> Answer:
    """Forbid every version below `floor`, and let anybody fill."""
    return fence(key, floor)


def publish(key: Key, version: int, token: str) -> Answer:
    """Put the row just committed over one's own fence; whatever else the key is, fence it. Granted says it was put."""
    if key == pending(version, token):
        return Answer(True, value(version))
    return Answer(False, fence(key, version).key)


def publish_without_token(key: Key, version: int, token: str) -> Answer:
    """Put the row just committed over anybody's fence or lease."""
    if key.state == "pending" and key.version <= version:
        return Answer(True, value(version))
    return Answer(False, fence(key, version).key)


def publish_where_nothing_is(key: Key, version: int, token: str) -> Answer:
    """Put the row just committed over one's own fence, or where it seems that there is none."""
    return Answer(True, value(version)) if key == ABSENT else publish(key, version, token)


def delete(key: Key, floor: int, token: str = "") -> Answer:
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
    """Who does what: the writer before its COMMIT and after it, and a filler before it loads the row and after it.

    unsure: what a writer does after its COMMIT that got no answer to what it did before, where that is something else.
    resends: such a writer did the same once more, with the same token, and goes on as if nothing had been.
    confirms: what one does who only read the row, and acknowledges what somebody else has committed.
    """

    name: str
    before_commit: Callable[[Key, int, str], Answer] | None
    after_commit: Callable[[Key, int, str], Answer] | None
    before_load: Callable[[Key, str], Answer] | None = lease
    after_load: Callable[[Key, int, str], Answer] = put
    unsure: Callable[[Key, int, str], Answer] | None = None
    resends: bool = False
    confirms: Callable[[Key, int, str], Answer] | None = None


OURS = Protocol("fence_and_publish", fence, publish, unsure=fence_alone, confirms=fence_alone)

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("delete_after_commit", None, delete, None, store),
        Protocol("delete_before_and_after_commit", delete, delete, None, store),
        Protocol("version_check_without_lease", fence_alone, fence_alone, None, put_without_lease),
        Protocol("lease_numbers_that_restart", fence_alone, fence_alone, lease_by_number, put_by_number),
        Protocol("fence_after_commit_only", None, fence_alone),
        Protocol("fence_before_commit_only", fence_alone, None),
        Protocol("fence_before_and_after_commit", fence_alone, fence_alone),
        Protocol("publish_without_token", fence, publish_without_token),
        Protocol("publish_where_nothing_is", fence, publish_where_nothing_is),
        Protocol("publish_after_an_unknown_fence", fence, publish, unsure=publish),
        Protocol("publish_after_a_fence_sent_twice", fence, publish, resends=True),
        Protocol("publish_what_was_only_read", fence, publish, confirms=publish),
        OURS,
    )
}
