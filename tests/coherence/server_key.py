"""One key on a real server, driven by the calls of the model."""

from collections.abc import Callable

from tests.coherence.protocol import ABSENT, Key
from tests.coherence.states import Call
from webapp.cache.entries import Entries, Entry, Row
from webapp.cache.redis import Cache

TTL_S = 300


class ServerKey:
    """A key of the server behind `cache`. Processes of the model are its lease tokens."""

    def __init__(self, cache: Cache, name: str) -> None:
        self.name = name
        self._client = cache.client
        self._entries: Entries = cache.entries
        self._operations: dict[str, Callable[[Call], bool]] = {
            "read": lambda call: self._entries.read([name])[0] is not None,
            "lease": self._lease,
            "put": self._put,
            "take_over": lambda call: self._entries.lease([name], call.token, from_writers=True)[0],
            "fence": lambda call: name in self._entries.fence_once({name: call.version}, None, [name], call.token),
            "fence_alone": lambda call: name in self._entries.fence({name: call.version}),
            "publish": self._publish,
            "lose": lambda call: self._delete(),
            # The operations of weaker protocols, made of ours and of plain commands.
            "delete": lambda call: self._delete(),
            "store": lambda call: (self._delete(), self._lease(call), self._put(call))[-1],
            "put_without_lease": lambda call: (self._lease(call), self._put(call))[-1],
            "lease_by_number": lambda call: self._lease(call._replace(token="1")),
            "put_by_number": lambda call: self._put(call._replace(token="1")),
            "publish_without_token": lambda call: self._publish(call._replace(token=self._holder(call.version))),
            "publish_where_nothing_is": lambda call: (self._fence_where_nothing_is(call), self._publish(call))[-1],
        }

    def do(self, call: Call) -> bool:
        """Do what the model did, and return the answer."""
        return self._operations[call.name](call)

    def key(self) -> Key:
        """Return what the key is, in the terms of the model."""
        held = self._entries.held([self.name])[0]
        if held.state == "absent":
            return ABSENT
        holder = str(self._client.get(self.name)).split("|", 3)[3] if held.state == "pending" else ""
        return Key(held.state, held.version, holder)

    def _lease(self, call: Call) -> bool:
        return self._entries.lease([self.name], call.token)[0]

    def _put(self, call: Call) -> bool:
        entry = Entry(call.version, f"the row at version {call.version}")
        return self._entries.put({self.name: entry}, TTL_S, call.token)[0]

    def _publish(self, call: Call) -> bool:
        row = Row(Entry(call.version, f"the row at version {call.version}"), TTL_S)
        return self.name in self._entries.publish({self.name: call.version}, {self.name: row}, call.token).published

    def _holder(self, version: int) -> str:
        """Return who holds the key; where that is a reader, a writer takes its place as the weaker script would."""
        held = self.key()
        if held.state == "pending" and held.version <= version:
            self._entries.fence_once({self.name: version}, None, [self.name], held.holder)
        return held.holder

    def _fence_where_nothing_is(self, call: Call) -> None:
        if self.key() == ABSENT:
            self._entries.fence_once({self.name: call.version}, None, [self.name], call.token)

    def _delete(self) -> bool:
        return self._client.delete(self.name) == 1
