"""Two Redis servers and clients that always follow the primary: what an entry's stamp must name.

Replication is asynchronous, so a server that is promoted may have missed any of the last commands. One that was demoted
keeps its memory and its run id until it is told to follow; promoted again before that, it goes on where it stopped.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.coherence.models.exploring import STALE
from tests.coherence.protocol import ABSENT, Key, fence, lease, put, value
from tests.coherence.search import Move

Stamp = tuple[int, ...]
RUN_ID, RUN_ID_AND_REPLID = "run id", "run id and master_replid"


class Entry(NamedTuple):
    """A key as a server stores it: what it is, and the stamp of the server that took it."""

    key: Key
    stamp: Stamp = ()


NOTHING = Entry(ABSENT)


class World(NamedTuple):
    """A state. A writer is its next step and its version, and so is the filler. `replid` is a number of its own for
    each promotion; the run id is the number of the server.
    """

    row: int
    acknowledged: int
    primary: int
    replid: int
    servers: tuple[Entry, Entry]
    writers: tuple[tuple[str, int], ...]
    filler: tuple[str, int]
    losses: int

    def __str__(self) -> str:
        servers = "  ".join(f"{name} {entry.key}" for name, entry in zip("AB", self.servers, strict=True))
        return f"row {self.row}  primary {'AB'[self.primary]}: {servers}  acknowledged {self.acknowledged}"


class RedisFailover:
    """The protocol under one rule for the stamp. With `demotes` false the old primary is never told, and stays one."""

    def __init__(self, rule: str, *, failovers: int, losses: int, demotes: bool = True) -> None:
        self.rule, self.failovers, self.losses, self.demotes = rule, failovers, losses, demotes

    def starts(self) -> Iterator[World]:
        for key in (ABSENT, value(1)):
            entry = Entry(key, self._stamp(0, 0)) if key != ABSENT else NOTHING
            yield World(1, 1, 0, 0, (entry, entry), (("update", 0),) * 2, ("lease", 0), self.losses)

    def moves(self, world: World) -> Iterator[Move]:
        yield from self._servers(world)
        for at, (step, version) in enumerate(world.writers):
            yield from self._write(world, at, step, version)
        yield from self._fill(world)

    def canonical(self, world: World) -> World:
        """Return the one world that stands for those that differ in the names of the writers."""
        return world._replace(writers=tuple(sorted(world.writers)))

    def wrong(self, world: World) -> str:
        """Say whether a read of the primary returns less than was acknowledged."""
        key = self.key(world)
        return STALE if key.state == "value" and key.version < world.acknowledged else ""

    def key(self, world: World) -> Key:
        """Return what the key of the primary counts as."""
        entry = world.servers[world.primary]
        return entry.key if entry.stamp == self.stamp(world) else ABSENT

    def stamp(self, world: World) -> Stamp:
        return self._stamp(world.primary, world.replid if self.demotes else world.primary)

    def _stamp(self, run_id: int, replid: int) -> Stamp:
        return (run_id,) if self.rule == RUN_ID else (run_id, replid)

    def _servers(self, world: World) -> Iterator[Move]:
        here = world.servers[world.primary]
        if world.servers != (here, here):
            yield Move("the replica catches up", world._replace(servers=(here, here)))
        if world.replid < self.failovers:
            after = world._replace(primary=1 - world.primary, replid=world.replid + 1)
            yield Move(f"FAILOVER to {'AB'[after.primary]}", after)
        if world.losses and here != NOTHING:
            yield Move("the key is lost", self._stored(world, NOTHING)._replace(losses=world.losses - 1))

    def _write(self, world: World, at: int, step: str, version: int) -> Iterator[Move]:
        who = f"writer {at + 1}"
        if step == "update" and all(other != "commit" for other, _ in world.writers):
            version = world.row + 1
            fenced = self._on_key(world, fence(self.key(world), version).key)
            what = f"{who} updates the row to version {version} and fences"
            yield Move(what, _writer(fenced, at, ("commit", version)))
        elif step == "commit":
            yield Move(f"{who} commits", _writer(world, at, ("fence", version), row=version))
        elif step == "fence":
            fenced = self._on_key(world, fence(self.key(world), version).key)
            acknowledged = max(world.acknowledged, version)
            what = f"{who} fences and acknowledges"
            yield Move(what, _writer(fenced, at, ("done", 0), acknowledged=acknowledged))

    def _fill(self, world: World) -> Iterator[Move]:
        step, version = world.filler
        if step == "lease":
            granted, key = lease(self.key(world), "filler")
            if granted:
                after = self._on_key(world, key)._replace(filler=("load", 0))
                yield Move("the filler gets the lease", after)
        elif step == "load":
            yield Move(f"the filler loads {world.row}", world._replace(filler=("put", world.row)))
        else:
            after = self._on_key(world, put(self.key(world), version, "filler").key)
            yield Move(f"the filler puts {version}", after._replace(filler=("lease", 0)))

    def _on_key(self, world: World, key: Key) -> World:
        return world if key == self.key(world) else self._stored(world, Entry(key, self.stamp(world)))

    def _stored(self, world: World, entry: Entry) -> World:
        servers = (entry, world.servers[1]) if world.primary == 0 else (world.servers[0], entry)
        return world._replace(servers=servers)


def _writer(world: World, at: int, then: tuple[str, int], **changes: Any) -> World:
    return world._replace(writers=(*world.writers[:at], then, *world.writers[at + 1 :]), **changes)
