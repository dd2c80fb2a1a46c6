"""The coherence protocol: what one Redis key may be, and the four operations on it.

A key is in one of three states:

* **absent**: nothing is known. It was evicted, flushed, never cached, is garbage, or has another stamp (of an old
  snapshot that came back, of a server or a database that was left; see `webapp.cache.stamp`).
* **value(version, body)**: the row at that version.
* **pending(floor, holder)**: do not serve. Only a row of version >= floor may be put here, and only by `holder`.

A write does ``UPDATE`` → `fence(v, token)` → ``COMMIT`` → `publish(v, body, token)` → acknowledge. A fill does `lease`
→ load the row in a transaction begun after the lease → `put`. What each part prevents:

1. *A slow reader.* It misses, loads version 1, and sleeps. A writer commits version 2 and fences. The reader's `put`
   meets pending(2) and is refused: 1 < 2, and the fence took its lease.
2. *A slow reader and an eviction.* As above, but the pending key is lost before the `put`. It meets an absent key and
   is refused: who leased a key and does not find its lease any more may hold an old row.
3. *A read between commit and fence.* The first fence, before the commit, has already taken the old value away.
4. *A fill between the first fence and the commit.* It loads the old row, and its version is below the floor.
5. *A lease that outlives a flush.* Lease tokens are random, so that no later lease is mistaken for an earlier one.
6. *A writer that is slow to publish.* It has committed version 2 and sleeps; another one commits version 3. The first
   one's `publish` does not find its token any more, and only fences: 2 < 3, which changes nothing.

Who publishes must hold the lock of the row from before its fence until its COMMIT, must have seen its fence accepted,
and must know that the COMMIT was: tests/coherence/test_model.py has a run for each that ends with an old value.

Each operation is atomic in Redis: a Lua script on one key, or a plain MGET. Many keys go in one pipeline, which is one
round trip. Nothing here knows Flask or SQL. The operations raise `redis.RedisError` and leave the decision to the
caller.
"""

import secrets
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from redis import ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from webapp.cache import scripts

PENDING_TTL_MS = 10_000
"""How long a fence or a lease stands, in ms. Longer than any database transaction may last (see `webapp.database`)."""

BELOW_EVERY_FLOOR = -1

DELETED = 2**53 - 1
"""A version above every version: the floor of a row that is gone. The largest integer that Lua holds exactly."""

WRITER = "w"
"""What the tokens of writers begin with: a reader may take over from one that has fenced and does not come back."""

HEADER_LENGTH = 63
"""More characters than state, stamp and version take together."""


class Entry(NamedTuple):
    """A row as it is cached: its version, and its body as text. An empty body says that there is no such row."""

    version: int
    body: str


Floors = Mapping[str, int]
"""By key: no lower version than this may be served."""


class Row(NamedTuple):
    """A row that a writer publishes: as it is cached, and for how long, in s."""

    entry: Entry
    ttl_s: int


class Outcome(NamedTuple):
    """What has become of a write in the cache: the keys that were not yet fenced, and those that have the row now."""

    turned: set[str]
    published: set[str]


class Held(NamedTuple):
    """What a key holds: "absent", "value" or "pending", and the version or the floor (-1 when absent)."""

    state: str
    version: int


Call = tuple[str, str, tuple[Any, ...]]
"""A script, the key that it is called for, and its arguments."""


class Commands(Protocol):
    """What is asked of a redis-py client (a Redis or a RedisCluster), which must not repeat commands by itself."""

    def mget(self, keys: Any) -> Any: ...
    def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Any: ...
    def pipeline(self, transaction: bool) -> Any: ...


class Stamps(Protocol):
    """What is asked of a stamp: the present one, and the one of what was read or written under a timeline."""

    text: str

    def under(self, timeline: str) -> str: ...


def new_lease_token() -> str:
    """Make a lease token: random, because a counter that restarts after a flush would let an old fill match."""
    return secrets.token_hex(8)


def new_writer_token() -> str:
    """Make the token of a writer that is about to fence: another one for each attempt, as for a lease."""
    return WRITER + secrets.token_hex(8)


def parse(raw: str | None, stamp: str) -> Entry | None:
    """Return the value in a stored string that has this stamp, or None for every other state."""
    if raw is None:
        return None
    parts = raw.split("|", 3)
    if len(parts) != 4 or parts[0] != "v" or parts[1] != stamp or not parts[2].isdecimal():
        return None
    return Entry(int(parts[2]), parts[3])


class Entries:
    """The protocol over one Redis client. An entry with another stamp than that of `stamp` is absent.

    `timeline` is that of the database in which the row was read or written; without it, the one that the process knows.
    """

    def __init__(self, client: Commands, stamp: Stamps) -> None:
        self._client = client
        self._stamp = stamp

    def parse(self, raw: str | None) -> Entry | None:
        """Return the value in a stored string, or None for every other state."""
        return parse(raw, self._stamp.text)

    def read(self, keys: Sequence[str]) -> list[Entry | None]:
        """Read many keys in one round trip; None where there is no value to serve."""
        return [self.parse(raw) for raw in self._client.mget(keys)] if keys else []

    def lease(
        self, keys: Iterable[str], token: str, timeline: str | None = None, *, from_writers: bool = False
    ) -> list[bool]:
        """Ask for the right to fill each key, with a token that was never sent before.

        False: it has a value, or somebody else is filling it. `from_writers` takes the right over from a writer.
        """
        arguments = (token, PENDING_TTL_MS, WRITER if from_writers else "")
        return [answer == 1 for answer in self._run([(scripts.LEASE, key, arguments) for key in keys], timeline)]

    def put(self, entries: Mapping[str, Entry], ttl_s: int, token: str = "", timeline: str | None = None) -> list[bool]:
        """Store entries for `ttl_s` seconds: under the lease `token`, or, without one, in place of an older value."""
        ttl_ms = ttl_s * 1000
        calls = [(scripts.PUT, k, (e.version, ttl_ms, e.body, token or "-")) for k, e in entries.items()]
        return [answer == 1 for answer in self._run(calls, timeline)]

    def give_back(self, keys: Iterable[str], token: str, timeline: str | None = None) -> None:
        """Give leases back that come to nothing, so that the next reader need not wait for them to expire."""
        self._run([(scripts.PUT, key, (BELOW_EVERY_FLOOR, PENDING_TTL_MS, "", token)) for key in keys], timeline)

    def fence(self, floors: Floors, timeline: str | None = None) -> set[str]:
        """Forbid every version below the floor of each key. Return the keys that were not yet fenced.

        Asked for once more when the connection turns out to be broken: a fence may be executed late and twice.
        """
        try:
            return self.fence_once(floors, timeline)
        except RedisConnectionError:
            return self.fence_once(floors, timeline)

    def fence_once(
        self, floors: Floors, timeline: str | None = None, held: Container[str] = (), token: str = ""
    ) -> set[str]:
        """Do the same, asked once. The keys `held` nobody may fill but who has `token`, which was never sent before."""
        calls = [
            (scripts.FENCE, key, (floor, PENDING_TTL_MS, token if key in held else "")) for key, floor in floors.items()
        ]
        answers = self._run(calls, timeline)
        return {key for key, answer in zip(floors, answers, strict=True) if answer == 1}

    def publish(
        self,
        floors: Floors,
        rows: Mapping[str, Row],
        token: str,
        timeline: str | None = None,
        along: Sequence[Call] = (),
    ) -> Outcome:
        """Put committed rows, of the version of their floors, over the fences with this token, which were accepted.

        The keys without a row, and those that are not under the token any more, are fenced. Sent once: whoever gets no
        answer fences instead. What is to be called `along` with it goes in the same round trip.
        """
        calls: list[Call] = []
        for key, floor in floors.items():
            if (row := rows.get(key)) is not None:
                calls.append((scripts.PUBLISH, key, (floor, PENDING_TTL_MS, token, row.entry.body, row.ttl_s * 1000)))
            else:
                calls.append((scripts.FENCE, key, (floor, PENDING_TTL_MS, "")))
        answers = dict(zip(floors, self._run(calls, timeline, along), strict=True))
        turned, published = ({key for key, answer in answers.items() if answer == kind} for kind in (1, 2))
        return Outcome(turned, published)

    def held(self, keys: Sequence[str]) -> list[Held]:
        """Say of each key what it holds, without fetching the bodies. One round trip."""
        pipeline = self._client.pipeline(transaction=False)
        for key in keys:
            pipeline.getrange(key, 0, HEADER_LENGTH)
        headers = pipeline.execute(raise_on_error=False) if keys else []
        return [self._held(header) for header in headers]

    def _held(self, header: Any) -> Held:
        if isinstance(header, ResponseError):
            return Held("absent", -1)  # A key of another type; whoever fills it removes it.
        if isinstance(header, Exception):
            raise header
        parts = header.split("|", 3)
        if len(parts) != 4 or parts[1] != self._stamp.text or not parts[2].isdecimal():
            return Held("absent", -1)
        return Held("value" if parts[0] == "v" else "pending", int(parts[2]))

    def _run(self, calls: Sequence[Call], timeline: str | None, along: Sequence[Call] = ()) -> list[Any]:
        if not calls:
            return []
        stamp = self._stamp.text if timeline is None else self._stamp.under(timeline)
        # EVAL with the source, not EVALSHA: a restarted or flushed server has forgotten its scripts, and a pipeline
        # cannot answer NOSCRIPT by sending them again.
        if len(calls) == 1 and not along:  # A pipeline of one takes a third longer.
            [(script, key, arguments)] = calls
            return [self._client.eval(script, 1, key, stamp, *arguments)]
        pipeline = self._client.pipeline(transaction=False)
        for script, key, arguments in calls:
            pipeline.eval(script, 1, key, stamp, *arguments)
        for script, key, arguments in along:
            pipeline.eval(script, 1, key, *arguments)
        answers: list[Any] = pipeline.execute()
        return answers[: len(calls)]
