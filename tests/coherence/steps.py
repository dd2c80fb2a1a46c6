"""The steps of each process of the model, under the name of where it stands."""

from collections.abc import Callable, Iterator

from tests.coherence.protocol import Answer, Key, Protocol, fence, fence_alone, publish, put, read, take_over
from tests.coherence.states import DONE, HOLDS_THE_ROW, WORKER, WRITERS, Call, Process, Step, World


def _on_key(answer: Answer, call: Call, what: str, then: Process, **changes: int) -> Step:
    return Step(what, then, {"key": answer.key, **changes}, call, answer.granted)


def _update(_: Process, who: str, world: World, protocol: Protocol) -> Iterator[Step]:
    if not any(other.step in HOLDS_THE_ROW for other in world.processes[WRITERS]):
        then = Process("before commit" if protocol.before_commit else "commit", world.row + 1)
        yield Step(f"updates the row to version {then.version}", then, {})


def _before_commit(writer: Process, who: str, world: World, protocol: Protocol) -> Iterator[Step]:
    operation = protocol.before_commit
    assert operation is not None
    call = Call(operation.__name__, writer.version, who)
    answer = operation(world.key, writer.version, who)
    yield _on_key(answer, call, f"{call.name}s the key", Process("commit", writer.version))


def _no_answer_before(writer: Process, who: str, world: World, protocol: Protocol) -> Iterator[Step]:
    """What is sent before the COMMIT gets no answer: it may come late. Whoever sends it again gets one."""
    changes = {"unanswered": world.unanswered + 1, "late": Call("fence", writer.version, who)}
    if protocol.resends:
        [again] = _before_commit(writer, who, world, protocol)
        yield again._replace(what=again.what + " once more", changes={**again.changes, **changes})
    else:
        yield Step("gets no answer to its fence", Process("commit", writer.version, True), changes)


def _commit(writer: Process, who: str, world: World, protocol: Protocol) -> Iterator[Step]:
    if protocol.after_commit is not None:
        then = writer._replace(step="after commit")
        yield Step("commits", then, {"row": writer.version})
    else:
        yield Step("commits and acknowledges", DONE, {"row": writer.version, "acknowledged": writer.version})


def _after_commit(writer: Process, who: str, world: World, protocol: Protocol) -> Iterator[Step]:
    operation = (protocol.unsure if writer.is_unsure else None) or protocol.after_commit
    assert operation is not None
    yield _acknowledged(operation, writer, who, world)


def _no_answer_after(writer: Process, who: str, world: World, protocol: Protocol) -> Iterator[Step]:
    """What is published gets no answer: it may come late. The writer fences instead."""
    if protocol.after_commit is publish and not writer.is_unsure:
        changes = {"unanswered": world.unanswered + 1, "late": Call("publish", writer.version, who)}
        yield Step("gets no answer to what it publishes", writer._replace(step="fence at last"), changes)


def _fence_at_last(writer: Process, who: str, world: World, protocol: Protocol) -> Iterator[Step]:
    yield _acknowledged(fence_alone, writer, who, world)


def _confirm(writer: Process, who: str, world: World, protocol: Protocol) -> Iterator[Step]:
    """Fence what was read, and not locked."""
    assert protocol.confirms is not None
    if protocol.confirms is publish:
        call = Call("fence", writer.version, who)
        answer = fence(world.key, writer.version, who)
        yield _on_key(answer, call, "fences the key", writer._replace(step="acknowledge"))
    else:
        yield _acknowledged(protocol.confirms, writer, who, world)


def _acknowledge(writer: Process, who: str, world: World, protocol: Protocol) -> Iterator[Step]:
    assert protocol.confirms is not None
    yield _acknowledged(protocol.confirms, writer, who, world)


def _acknowledged(operation: Callable[[Key, int, str], Answer], writer: Process, who: str, world: World) -> Step:
    call = Call(operation.__name__, writer.version, who)
    answer = operation(world.key, writer.version, who)
    # The observer reads every value that the key ever has: one that is there already was returned when it came.
    promised = {"acknowledged": max(world.acknowledged, writer.version)}
    if answer.key.state == "value":
        promised["returned"] = max(world.returned, answer.key.version)
    return _on_key(answer, call, f"{call.name}s the key and acknowledges", DONE, **promised)


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
    if not answer.granted and who != WORKER and (taken := take_over(world.key, who)).granted:
        yield _on_key(taken, Call("take_over", token=who), "takes over from the writer", Process("load"))


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
    "fence at last": _fence_at_last,
    "confirm": _confirm,
    "acknowledge": _acknowledge,
    "look": _look,
    "lease": _lease,
    "wait": _wait,
    "load": _load,
    "put": _put,
    "take a job": _take_a_job,
    "renew": _renew,
    "reconcile": _reconcile,
}
NO_ANSWER = {"before commit": _no_answer_before, "after commit": _no_answer_after}
