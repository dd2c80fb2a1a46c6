"""The coherence protocol: what one Redis key may be, and the four operations on it.

A key is in one of three states:

* **absent**: nothing is known. It was evicted, flushed, never cached, is garbage, or has another stamp (of an old
  snapshot that came back, of a server or a database that was left; see `webapp.cache.stamp`).
* **value(version, body)**: the row at that version.
* **pending(floor, holder)**: do not serve. Only a row of version >= floor may be put here, and only by `holder`.

A write does ``UPDATE`` → `fence(v)` → ``COMMIT`` → `fence(v)` → acknowledge. A fill does `lease` → load the row in a
transaction begun after the lease → `put`. What each part prevents:

1. *A slow reader.* It misses, loads version 1, and sleeps. A writer commits version 2 and fences. The reader's `put`
   meets pending(2) and is refused: 1 < 2, and the fence took its lease.
2. *A slow reader and an eviction.* As above, but the pending key is lost before the `put`. It meets an absent key and
   is refused: who leased a key and does not find its lease any more may hold an old row.
3. *A read between commit and fence.* The first fence, before the commit, has already taken the old value away.
4. *A fill between the first fence and the commit.* It loads the old row, and its version is below the floor.
5. *A lease that outlives a flush.* Lease tokens are random, so that no later lease is mistaken for an earlier one.

Each operation is atomic in Redis: a Lua script on one key, or a plain MGET. Many keys go in one pipeline, which is one
round trip. Nothing here knows Flask or SQL. The operations raise `redis.RedisError` and leave the decision to the
caller.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from redis import ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

PENDING_TTL_MS = 10_000
"""How long a fence or a lease stands, in ms. Longer than any database transaction may last (see `webapp.database`)."""

BELOW_EVERY_FLOOR = -1

DELETED = 2**53 - 1
"""A version above every version: the floor of a row that is gone. The largest integer that Lua holds exactly."""

HEADER_LENGTH = 63
"""More characters than state, stamp and version take together."""


class Entry(NamedTuple):
    """A row as it is cached: its version, and its body as text. An empty body says that there is no such row."""

    version: int
    body: str


Floors = Mapping[str, int]
"""By key: no lower version than this may be served."""


class Held(NamedTuple):
    """What a key holds: "absent", "value" or "pending", and the version or the floor (-1 when absent)."""

    state: str
    version: int


class Commands(Protocol):
    """What is asked of a redis-py client (a Redis or a RedisCluster), which must not repeat commands by itself."""

    def mget(self, keys: Any) -> Any: ...
    def pipeline(self, transaction: bool) -> Any: ...


class Stamps(Protocol):
    """What is asked of a stamp: the present one, and the one of what was read or written under a timeline."""

    text: str

    def under(self, timeline: str) -> str: ...


# A stored string is "v|stamp|version|body" or "p|stamp|floor|holder". Whatever does not match, is of another Redis
# type or carries another stamp counts as absent and is overwritten. `state` returns kind, number, rest, and the
# number as it is written.
_STATE = """
local function state(key, stamp)
  local raw = redis.pcall('GET', key)
  if type(raw) ~= 'string' then
    if type(raw) == 'table' and raw.err then redis.call('DEL', key) end
    return nil
  end
  local kind, at, number, rest = string.match(raw, '^([vp])|([^|]*)|(%d+)|(.*)$')
  if kind == nil or at ~= stamp then return nil end
  return kind, tonumber(number), rest, number
end
"""

# `allow-oom` is only for the fence: a Redis whose memory is full must still forget an old value. A fence that finds its
# floor there already stands for its whole time anew: another write, which failed, may have left it a while ago.
_FENCE = (
    "#!lua flags=allow-oom\n"
    + _STATE
    + """
local kind, number = state(KEYS[1], ARGV[1])
if kind ~= nil and number >= tonumber(ARGV[2]) then
  if kind == 'p' then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
  return 0
end
redis.call('SET', KEYS[1], 'p|' .. ARGV[1] .. '|' .. ARGV[2] .. '|', 'PX', ARGV[3])
if kind == 'p' then return 0 end
return 1
"""
)

# Several keys may be leased with one token, so a key held by it is granted again; but no lease is ever *sent* twice: a
# first copy that is executed late, on a key that was lost, would let the row in that was loaded long before. A lease on
# a fenced key lasts as long as the fence: readers must not keep the fence of a write that failed standing for ever.
_LEASE = (
    "#!lua\n"
    + _STATE
    + """
local kind, _, rest, number = state(KEYS[1], ARGV[1])
if kind == 'v' then return 0 end
if kind == 'p' and rest ~= '' and rest ~= ARGV[2] then return 0 end
local held = 'p|' .. ARGV[1] .. '|' .. (number or '0') .. '|' .. ARGV[2]
if kind == 'p' then redis.call('SET', KEYS[1], held, 'KEEPTTL') else redis.call('SET', KEYS[1], held, 'PX', ARGV[3]) end
return 1
"""
)

# A holder that comes with too old a row gives its lease back, so that the next reader need not wait for it to expire.
_PUT = (
    "#!lua\n"
    + _STATE
    + """
local kind, number, rest, floor = state(KEYS[1], ARGV[1])
if kind == nil then return 0 end
if kind == 'p' and rest ~= ARGV[5] then return 0 end
if tonumber(ARGV[2]) < number then
  if kind == 'p' then redis.call('SET', KEYS[1], 'p|' .. ARGV[1] .. '|' .. floor .. '|', 'KEEPTTL') end
  return 0
end
redis.call('SET', KEYS[1], 'v|' .. ARGV[1] .. '|' .. ARGV[2] .. '|' .. ARGV[4], 'PX', ARGV[3])
return 1
"""
)


def new_lease_token() -> str:
    """Make a lease token: random, because a counter that restarts after a flush would let an old fill match."""
    return secrets.token_hex(8)


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

    def lease(self, keys: Iterable[str], token: str, timeline: str | None = None) -> list[bool]:
        """Ask for the right to fill each key, with a token that was never sent before.

        False: it has a value, or somebody else is filling it.
        """
        return self._run(_LEASE, timeline, [(key, (token, PENDING_TTL_MS)) for key in keys])

    def put(self, entries: Mapping[str, Entry], ttl_s: int, token: str = "", timeline: str | None = None) -> list[bool]:
        """Store entries for `ttl_s` seconds: under the lease `token`, or, without one, in place of an older value."""
        ttl_ms = ttl_s * 1000
        return self._run(_PUT, timeline, [(k, (e.version, ttl_ms, e.body, token or "-")) for k, e in entries.items()])

    def give_back(self, keys: Iterable[str], token: str, timeline: str | None = None) -> None:
        """Give leases back that come to nothing, so that the next reader need not wait for them to expire."""
        self._run(_PUT, timeline, [(key, (BELOW_EVERY_FLOOR, PENDING_TTL_MS, "", token)) for key in keys])

    def fence(self, floors: Floors, timeline: str | None = None) -> set[str]:
        """Forbid every version below the floor of each key. Return the keys that were not yet fenced.

        Asked for once more when the connection turns out to be broken: a fence may be executed late and twice.
        """
        calls = [(key, (floor, PENDING_TTL_MS)) for key, floor in floors.items()]
        try:
            turned = self._run(_FENCE, timeline, calls)
        except RedisConnectionError:
            turned = self._run(_FENCE, timeline, calls)
        return {key for key, was_open in zip(floors, turned, strict=True) if was_open}

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

    def _run(self, script: str, timeline: str | None, calls: Sequence[tuple[str, tuple[Any, ...]]]) -> list[bool]:
        if not calls:
            return []
        stamp = self._stamp.text if timeline is None else self._stamp.under(timeline)
        # EVAL with the source, not EVALSHA: a restarted or flushed server has forgotten its scripts, and a pipeline
        # cannot answer NOSCRIPT by sending them again.
        pipeline = self._client.pipeline(transaction=False)
        for key, arguments in calls:
            pipeline.eval(script, 1, key, stamp, *arguments)
        return [answer == 1 for answer in pipeline.execute()]
