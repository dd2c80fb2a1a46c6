"""What a state of the model is made of, and how often things may go wrong."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.coherence.protocol import Key


class Process(NamedTuple):
    """The step that a process will take next, the version that it writes or has loaded, and whether it is a writer that
    got no answer before its COMMIT.
    """

    step: str
    version: int = 0
    is_unsure: bool = False


DONE = Process("done")
IDLE = {"update", "look", "take a job"}
HOLDS_THE_ROW = {"before commit", "commit"}
BETWEEN_FENCES = {"commit", "after commit", "fence at last", "acknowledge"}
WORKER = "the worker"
NAMES = ("writer 1", "writer 2", "reader 1", "reader 2", WORKER)
WRITERS = slice(0, 2)


class Call(NamedTuple):
    """An operation on the key: its name, and the version and the token that it is called with."""

    name: str
    version: int = 0
    token: str = ""


class World(NamedTuple):
    """A state: the committed version of the row, the key, the processes in the order of `NAMES`, and what has been
    promised so far.

    `acknowledged` and `returned` are the highest versions that a writer acknowledged and that somebody has read. `late`
    is what got no answer and was not done yet: a fence, or a row to publish.
    """

    row: int
    key: Key
    processes: tuple[Process, ...]
    acknowledged: int = 1
    returned: int = 1
    losses: int = 0
    crashes: int = 0
    unanswered: int = 0
    late: Call | None = None


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
    """How often the key may be lost, a process may die, and a fence may get no answer.

    With `with_repeats` clients repeat writes, and have them confirmed. With `expiry_is_free` a pending key may also
    expire whenever no writer stands between its two fences: that is what PENDING_TTL_MS promises by being longer than
    any transaction.
    """

    losses: int = 2
    crashes: int = 1
    expiry_is_free: bool = False
    unanswered: int = 0
    with_repeats: bool = False
