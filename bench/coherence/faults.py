"""The faults: what breaks while the load goes on. One thread breaks things in Redis, one among the processes."""

import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import psutil  # type: ignore[import-untyped]
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from bench.coherence.findings import ENDED, Findings
from embedded.valkey import Valkey
from tests.e2e.fleet import Fleet
from webapp.cache import keys

CACHED = (keys.SESSION_PREFIX, keys.SESSION_LIST_PREFIX, keys.USER_PREFIX, keys.BLACKLIST_PREFIX)
PROGRAMS = ("web", "worker", "beat")
SNAPSHOT = "dump.rdb"
SETTLED_S = 10.0
"""How old the worker must be before its children are killed, in s: one that loses a child before it has reached its
broker for the first time ends, as Celery means it to, and whoever runs it starts it again.
"""
LONGEST_PAUSE_S = 3.0
CLIENT_TIMEOUT_S = 5.0


class Faults:
    """Some ways to break things, each with its weight."""

    mean_pause_s: float
    kinds: ClassVar[Mapping[str, tuple[int, Callable[[Any], None]]]]

    def __init__(self, findings: Findings, seed: int) -> None:
        self.findings = findings
        self.chance = random.Random(seed)

    def run(self, chosen: frozenset[str], over: threading.Event) -> None:
        """Break one thing after another until it is over."""
        names = [name for name in self.kinds if name in chosen]
        while not over.wait(self.chance.expovariate(1 / self.mean_pause_s)):
            self.look_after()
            if names:
                [name] = self.chance.choices(names, [self.kinds[name][0] for name in names])
                self.kinds[name][1](self)
        self.look_after()

    def look_after(self) -> None:
        """Look whether something broke by itself."""


class RedisFaults(Faults):
    """Keys are deleted, and the server is flushed, paused, killed, and restarted empty or with an old snapshot."""

    mean_pause_s = 0.8

    def __init__(self, valkey: Valkey, findings: Findings, seed: int) -> None:
        super().__init__(findings, seed)
        self._valkey = valkey
        self._client = redis.Redis.from_url(
            valkey.url, decode_responses=True, socket_timeout=CLIENT_TIMEOUT_S, retry=Retry(NoBackoff(), 1)
        )

    def _delete_keys(self) -> None:
        found = [key for key in self._client.scan_iter(count=1000) if key.startswith(CACHED)]
        chosen = self.chance.sample(found, k=min(len(found), self.chance.randint(1, 20)))
        self.findings.fault("delete_keys", " ".join(chosen))
        # One by one, each at another moment of what the servers are doing.
        for key in chosen:
            self._client.delete(key)
            _wait(self.chance.uniform(0, 0.02))

    def _flush(self) -> None:
        self.findings.fault("flush")
        self._client.flushall()

    def _pause(self) -> None:
        for_s = _some_pause_s(self.chance)
        self.findings.fault("pause", f"for {for_s:.3f} s")
        self._valkey.pause()
        _wait(for_s)
        self._valkey.resume()
        self.findings.note("Redis goes on")

    def _restart_empty(self) -> None:
        self._snapshot.unlink(missing_ok=True)
        self._restart("restart_empty")

    def _restart_with_an_old_snapshot(self) -> None:
        self._client.save()
        _wait(self.chance.uniform(0.1, 2))
        self._restart("restart_snapshot")
        self._snapshot.unlink(missing_ok=True)

    def _restart(self, kind: str) -> None:
        away_s = self.chance.choice((0.0, self.chance.uniform(0, 1.5)))
        self.findings.fault(kind, f"after {away_s:.3f} s")
        self._valkey.kill()
        _wait(away_s)
        self._valkey.start()
        self.findings.note("Redis is back")

    @property
    def _snapshot(self) -> Path:
        return self._valkey.data_dir / SNAPSHOT

    kinds = {
        "delete_keys": (8, _delete_keys),
        "flush": (3, _flush),
        "pause": (3, _pause),
        "restart_empty": (2, _restart_empty),
        "restart_snapshot": (2, _restart_with_an_old_snapshot),
    }


class ProcessFaults(Faults):
    """Web workers, task processes, the worker and beat are killed with -9, and restarted where nobody else does; or one
    of them stands still for a while, as a process does on a machine that has no time for it.
    """

    mean_pause_s = 3.0

    def __init__(self, fleet: Fleet, findings: Findings, seed: int) -> None:
        super().__init__(findings, seed)
        self._fleet = fleet

    def look_after(self) -> None:
        """Count what ended by itself, and start it again, as whoever runs it would."""
        for program in PROGRAMS:
            if not self._fleet.is_running(program):
                self.findings.violation(ENDED, f"{program}: {self._fleet.tails()[program]}", [])
                self._fleet.ensure(program)

    def _kill_a_web_worker(self) -> None:
        self._kill_a_child("web", "kill_web_worker")

    def _kill_a_task_process(self) -> None:
        self._kill_a_child("worker", "kill_task_process")

    def _kill_the_worker(self) -> None:
        self._kill("worker", "kill_worker")

    def _kill_beat(self) -> None:
        self._kill("beat", "kill_beat")

    def _pause_a_web_worker(self) -> None:
        self._pause_a_child("web", "pause_web_worker")

    def _pause_a_task_process(self) -> None:
        self._pause_a_child("worker", "pause_task_process")

    def _pause_a_child(self, program: str, kind: str) -> None:
        for_s = _some_pause_s(self.chance)
        # It may end at any moment, by its own limits or with its parent.
        with suppress(psutil.NoSuchProcess):
            for chosen in self._one_child(program):
                self.findings.fault(kind, f"{chosen.pid} for {for_s:.3f} s")
                chosen.suspend()
                _wait(for_s)
                chosen.resume()

    def _kill_a_child(self, program: str, kind: str) -> None:
        with suppress(psutil.NoSuchProcess):
            for chosen in self._one_child(program):
                self.findings.fault(kind, str(chosen.pid))
                chosen.kill()

    def _one_child(self, program: str) -> list[psutil.Process]:
        """Return one of them, or none while there is none, or while the program is still starting."""
        children = self._fleet.children(program)
        is_up = children and time.time() - psutil.Process(children[0].ppid()).create_time() > SETTLED_S
        return [self.chance.choice(children)] if is_up else []

    def _kill(self, program: str, kind: str) -> None:
        self.findings.fault(kind)
        self._fleet.kill(program)
        self._fleet.ensure(program)
        self.findings.note(f"{program} is back")

    kinds = {
        "pause_web_worker": (4, _pause_a_web_worker),
        "pause_task_process": (1, _pause_a_task_process),
        "kill_web_worker": (4, _kill_a_web_worker),
        "kill_task_process": (2, _kill_a_task_process),
        "kill_worker": (1, _kill_the_worker),
        "kill_beat": (1, _kill_beat),
    }


ALL = frozenset({*RedisFaults.kinds, *ProcessFaults.kinds})


def _some_pause_s(chance: random.Random) -> float:
    """Choose a pause. Short ones are as interesting as long ones: they end about when the servers' patience does."""
    return min(LONGEST_PAUSE_S, 0.05 + chance.expovariate(2))


def _wait(seconds: float) -> None:
    threading.Event().wait(seconds)
