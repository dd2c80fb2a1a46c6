"""The processes around one key, and every atomic step that each of them may take next.

* Two *writers*, one write each: UPDATE, which takes the row lock → before the commit → COMMIT → after it, acknowledge.
  A writer may also roll back.
* Two *readers*, one read each: read the key → lease → load the row → put, and return. A reader whose lease is refused
  looks again, or loads without filling; one that does not reach Redis loads at once.
* The *worker*, one job: it warms (lease → load → put), or renews a value (load → put without a lease), or reconciles
  (load → fence).
* The *key* may be lost: evicted, flushed or expired. Any process may die at any step; a writer that dies before its
  COMMIT is one that rolls back.

A read begins with its first step and a write is acknowledged with its last: an earlier beginning or a later
acknowledgement would only promise less.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.coherence.protocol import ABSENT, Answer, Key, Protocol, fence, put, read, value


class Process(NamedTuple):
    """The step that a process will take next, and the version that it writes or has loaded."""

    step: str
    version: int = 0


DONE = Process("done")
IDLE = {"update", "look", "take a job"}
HOLDS_THE_ROW = {"before commit", "commit"}
BETWEEN_FENCES = {"commit", "after commit"}
WORKER = "worker"
NAMES = ("writer 1", "writer 2", "reader 1", "reader 2", WORKER)
WRITERS = slice(0, 2)


class World(NamedTuple):
    """A state: the committed version of the row, the key, the processes in the order of `NAMES`, and what has been
    promised so far.

    `acknowledged` and `returned` are the highest versions that a writer acknowledged and that somebody has read.
    """

    row: int
    key: Key
    processes: tuple[Process, ...]
    acknowledged: int = 1
    returned: int = 1
    losses: int = 0
    crashes: int = 0


class Call(NamedTuple):
    """An operation on the key: its name, and the version and the token that it is called with."""

    name: str
    version: int = 0
    token: str = ""


class Step(NamedTuple):
    """What one process does, where it stands then, and what changes in the world. `call` is set if it is an operation
    on the key, and `granted` is the operation's answer.
    """

    what: str
    then: Process
    changes: dict[str, Any]
    call: Call | None = None
    granted: bool = False


class Move(NamedTuple):
    """One atomic step: who does what, and the world after it."""

    who: str
    what: str
    after: World
    call: Call | None = None
    granted: bool = False


@dataclass(frozen=True)
class Limits:
    """How often the key may be lost and a process may die.

    With `expiry_is_free` a pending key may also expire whenever no writer stands between its two fences: that is what
    PENDING_TTL_MS promises by being longer than any transaction.
    """

    losses: int = 2
    crashes: int = 1
    expiry_is_free: bool = False


def initial_worlds() -> list[World]:
    """Return the states that a run begins in: the row at version 1, cached or not."""
    update, look = Process("update"), Process("look")
    processes = (update, update, look, look, Process("take a job"))
    return [World(1, key, processes) for key in (ABSENT, value(1))]


def moves(world: World, protocol: Protocol, limits: Limits) -> Iterator[Move]:
    """Yield every step that may come next, of every process and of the key."""
    may_die = world.crashes < limits.crashes
    for index, process in enumerate(world.processes):
        if process == DONE:
            continue
        who = NAMES[index]
        for what, then, changes, call, granted in STEPS[process.step](process, who, world, protocol):
            yield Move(who, what, _after(world, index, then, changes), call, granted)
        if process.step in HOLDS_THE_ROW:
            yield Move(who, "rolls back", _after(world, index, DONE, {}))
        elif may_die and process.step not in IDLE:
            yield Move(who, "dies", _after(world, index, DONE, {"crashes": world.crashes + 1}))
    if world.key != ABSENT:
        yield from _losses(world, limits)


def _after(world: World, index: int, then: Process, changes: dict[str, Any]) -> World:
    row, key, processes, acknowledged, returned, losses, crashes = world
    return World(
        changes.get("row", row),
        changes.get("key", key),
        (*processes[:index], then, *processes[index + 1 :]),
        changes.get("acknowledged", acknowledged),
        changes.get("returned", returned),
        losses,
        changes.get("crashes", crashes),
    )


def _losses(world: World, limits: Limits) -> Iterator[Move]:
    if world.losses < limits.losses:
        yield Move("the key", "is lost", world._replace(key=ABSENT, losses=world.losses + 1), Call("lose"))
    between_fences = any(process.step in BETWEEN_FENCES for process in world.processes[WRITERS])
    if limits.expiry_is_free and world.key.state == "pending" and not between_fences:
        yield Move("the key", "expires", world._replace(key=ABSENT), Call("lose"))


def _on_key(answer: Answer, call: Call, what: str, then: Process, **changes: int) -> Step:
    return Step(what, then, {"key": answer.key, **changes}, call, answer.granted)


def _update(_: Process, who: str, world: World, protocol: Protocol) -> Iterator[Step]:
    if not any(other.step in HOLDS_THE_ROW for other in world.processes[WRITERS]):
        then = Process("before commit" if protocol.before_commit else "commit", world.row + 1)
        yield Step(f"updates the row to version {then.version}", then, {})


def _before_commit(writer: Process, who: str, world: World, protocol: Protocol) -> Iterator[Step]:
    operation = protocol.before_commit
    assert operation is not None
    call = Call(operation.__name__, writer.version)
    yield _on_key(
        operation(world.key, writer.version), call, f"{call.name}s the key", Process("commit", writer.version)
    )


def _commit(writer: Process, who: str, world: World, protocol: Protocol) -> Iterator[Step]:
    if protocol.after_commit is not None:
        yield Step("commits", Process("after commit", writer.version), {"row": writer.version})
    else:
        yield Step("commits and acknowledges", DONE, {"row": writer.version, "acknowledged": writer.version})


def _after_commit(writer: Process, who: str, world: World, protocol: Protocol) -> Iterator[Step]:
    operation = protocol.after_commit
    assert operation is not None
    call = Call(operation.__name__, writer.version)
    acknowledged = max(world.acknowledged, writer.version)
    answer = operation(world.key, writer.version)
    yield _on_key(answer, call, f"{call.name}s the key and acknowledges", DONE, acknowledged=acknowledged)


def _look(_: Process, who: str, world: World, protocol: Protocol) -> Iterator[Step]:
    is_hit = read(world.key) is not None
    then = DONE if is_hit else Process("lease" if protocol.before_load else "load")
    yield Step("reads the key", then, {}, Call("read"), is_hit)
    yield Step("loads without Redis", DONE, {"returned": max(world.returned, world.row)})


def _lease(_: Process, who: str, world: World, protocol: Protocol) -> Iterator[Step]:
    operation = protocol.before_load
    assert operation is not None
    answer = operation(world.key, who)
    call = Call(operation.__name__, token=who)
    otherwise = DONE if who == WORKER else Process("wait")
    yield _on_key(answer, call, "asks for the lease", Process("load") if answer.granted else otherwise)


def _wait(_: Process, who: str, world: World, protocol: Protocol) -> Iterator[Step]:
    is_hit = read(world.key) is not None
    yield Step("reads the key again", DONE if is_hit else Process("lease"), {}, Call("read"), is_hit)
    yield Step("loads without filling", DONE, {"returned": max(world.returned, world.row)})


def _load(_: Process, who: str, world: World, protocol: Protocol) -> Iterator[Step]:
    yield Step(f"loads version {world.row}", Process("put", world.row), {})


def _put(filler: Process, who: str, world: World, protocol: Protocol) -> Iterator[Step]:
    operation = protocol.after_load
    call = Call(operation.__name__, filler.version, who)
    answer = operation(world.key, filler.version, who)
    yield _on_key(answer, call, f"puts version {filler.version}", DONE, returned=max(world.returned, filler.version))


def _take_a_job(worker: Process, who: str, world: World, protocol: Protocol) -> Iterator[Step]:
    if protocol.before_load is None:
        yield from _load(worker, who, world, protocol)
        return
    yield from _lease(worker, who, world, protocol)
    yield Step(f"loads version {world.row} to renew it", Process("renew", world.row), {})
    yield Step(f"loads version {world.row} to reconcile", Process("reconcile", world.row), {})


def _renew(worker: Process, who: str, world: World, protocol: Protocol) -> Iterator[Step]:
    answer = put(world.key, worker.version, "")
    yield _on_key(answer, Call("put", worker.version), f"puts version {worker.version} without a lease", DONE)


def _reconcile(worker: Process, who: str, world: World, protocol: Protocol) -> Iterator[Step]:
    yield _on_key(fence(world.key, worker.version), Call("fence", worker.version), f"fences {worker.version}", DONE)


STEPS = {
    "update": _update,
    "before commit": _before_commit,
    "commit": _commit,
    "after commit": _after_commit,
    "look": _look,
    "lease": _lease,
    "wait": _wait,
    "load": _load,
    "put": _put,
    "take a job": _take_a_job,
    "renew": _renew,
    "reconcile": _reconcile,
}
