"""The processes around one key, and every atomic step that each of them may take next.

* Two *writers*, one write each: UPDATE, which takes the row lock → before the commit → COMMIT → after it, acknowledge.
  A writer may also roll back. What it does before the commit may get no answer, and be done late, or never.
  Instead of writing, one may read the row and confirm what it found to a client that repeats a write.
* Two *readers*, one read each: read the key → lease → load the row → put, and return. A reader whose lease is refused
  looks again, takes over from a writer, or loads without filling; one that does not reach Redis loads at once.
* The *worker*, one job: it warms (lease → load → put), or renews a value (load → put without a lease), or reconciles
  (load → fence).
* The *key* may be lost: evicted, flushed or expired. Any process may die at any step; a writer that dies before its
  COMMIT is one that rolls back.

A read begins with its first step and a write is acknowledged with its last: an earlier beginning or a later
acknowledgement would only promise less.
"""

from collections.abc import Iterator
from typing import Any

from tests.coherence.protocol import ABSENT, Protocol, fence, publish, value
from tests.coherence.states import (
    BETWEEN_FENCES,
    DONE,
    HOLDS_THE_ROW,
    IDLE,
    NAMES,
    WRITERS,
    Call,
    Limits,
    Move,
    Process,
    Step,
    World,
)
from tests.coherence.steps import NO_ANSWER, STEPS


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
        for what, then, changes, call, granted in _steps(process, who, world, protocol, limits):
            yield Move(who, what, _after(world, index, then, changes), call, granted)
        if process.step in HOLDS_THE_ROW:
            yield Move(who, "rolls back", _after(world, index, DONE, {}))
        elif may_die and process.step not in IDLE:
            yield Move(who, "dies", _after(world, index, DONE, {"crashes": world.crashes + 1}))
    if world.key != ABSENT:
        yield from _losses(world, limits)
    if (late := world.late) is not None:
        answer = (fence if late.name == "fence" else publish)(world.key, late.version, late.token)
        returned = max(world.returned, answer.key.version if answer.key.state == "value" else 0)
        after = world._replace(key=answer.key, returned=returned, late=None)
        yield Move("the network", f"brings the {late.name} of {late.token}", after, late, answer.granted)


def _steps(process: Process, who: str, world: World, protocol: Protocol, limits: Limits) -> Iterator[Step]:
    yield from STEPS[process.step](process, who, world, protocol)
    if process.step in NO_ANSWER and world.unanswered < limits.unanswered:
        yield from NO_ANSWER[process.step](process, who, world, protocol)
    if process.step == "update" and limits.with_repeats and protocol.confirms:
        yield Step(f"reads version {world.row}", Process("confirm", world.row), {})


def _after(world: World, index: int, then: Process, changes: dict[str, Any]) -> World:
    row, key, processes, acknowledged, returned, losses, crashes, unanswered, late = world
    return World(
        changes.get("row", row),
        changes.get("key", key),
        (*processes[:index], then, *processes[index + 1 :]),
        changes.get("acknowledged", acknowledged),
        changes.get("returned", returned),
        losses,
        changes.get("crashes", crashes),
        changes.get("unanswered", unanswered),
        changes.get("late", late),
    )


def _losses(world: World, limits: Limits) -> Iterator[Move]:
    if world.losses < limits.losses:
        yield Move("the key", "is lost", world._replace(key=ABSENT, losses=world.losses + 1), Call("lose"))
    between_fences = any(process.step in BETWEEN_FENCES for process in world.processes[WRITERS])
    if limits.expiry_is_free and world.key.state == "pending" and not between_fences:
        yield Move("the key", "expires", world._replace(key=ABSENT), Call("lose"))
