"""Redis refuses writes for a moment while one process writes, and another one reads at once.

Two web processes share a PostgreSQL and a Valkey. In each round the Valkey refuses, or hangs, for a moment, shorter or
longer than a process needs to notice, or again and again; meanwhile a drive is renamed, or somebody logs out, in the
first process. When that has been acknowledged, the second one, which was not told, is asked, at once, when the trouble
is over, and until it answers from the cache again: for the drive, and with the dead token.
"""

import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis

from embedded.postgres import Postgres
from embedded.valkey import Valkey
from testbed import troubles
from testbed.api import Api
from testbed.driver import Driver, expect
from testbed.fleet import Fleet

LONGEST_S = 1.2
SHORT_S = 0.03
"""Less than a probe's interval, in s."""
FLAPS = 6
POLL_S = 0.02


class Server:
    """A Valkey that can be made to refuse."""

    def __init__(self, valkey: Valkey) -> None:
        self.valkey = valkey
        self.client = redis.Redis.from_url(valkey.url, decode_responses=True)

    def refuse_without_replicas(self, is_refusing: bool) -> None:
        """Refuse with NOREPLICAS."""
        troubles.without_replicas(self.client, is_refusing)

    def refuse_as_a_replica(self, is_refusing: bool) -> None:
        """Refuse with READONLY."""
        troubles.as_a_replica(self.client, is_refusing)

    def refuse_after_a_failed_save(self, is_refusing: bool) -> None:
        """Refuse with MISCONF; its saves fail from the first time on."""
        if is_refusing and self.client.info("persistence")["rdb_last_bgsave_status"] == "ok":
            troubles.let_saves_fail(self.client, self.valkey.data_dir / "dump.rdb")
        troubles.after_a_failed_save(self.client, is_refusing)

    def hang(self, is_refusing: bool) -> None:
        """Stand still."""
        self.valkey.pause() if is_refusing else self.valkey.resume()


CAUSES: dict[str, Callable[[Server, bool], None]] = {
    "NOREPLICAS": Server.refuse_without_replicas,
    "READONLY": Server.refuse_as_a_replica,
    "MISCONF": Server.refuse_after_a_failed_save,
    "hung": Server.hang,
}


class Trouble:
    """Redis refuses while something is written: until that is done, for a moment, for long, or now and then."""

    def __init__(self, refuse: Callable[[bool], None], chance: random.Random) -> None:
        self._refuse = refuse
        lasting = [[], [SHORT_S], [chance.uniform(SHORT_S, LONGEST_S)], [chance.uniform(0, 2 * SHORT_S)] * FLAPS]
        self._refusals_s: list[float] = chance.choice(lasting)
        self._timed = threading.Thread(target=self._go_on)

    def __enter__(self) -> "Trouble":
        """Begin."""
        self._refuse(True)
        self._timed.start()
        return self

    def written(self) -> None:
        """End, if that is to be when something has been written."""
        if not self._refusals_s:
            self._refuse(False)

    def __exit__(self, *_: object) -> None:
        """Wait for the end."""
        self._timed.join()

    def _go_on(self) -> None:
        for refusal_s in self._refusals_s:
            self._refuse(True)
            time.sleep(refusal_s)
            self._refuse(False)
            time.sleep(refusal_s)


@dataclass
class Pair:
    """Two web processes, a driver whose app calls the first one, and the Valkey between them."""

    server: Server
    driver: Driver
    elsewhere: Api
    found: Counter[str] = field(default_factory=Counter)
    write_s: list[float] = field(default_factory=list)

    def play(self, cause: Callable[[Server, bool], None], chance: random.Random, number: int) -> None:
        """Play one round, and count what was found."""
        path = f"/sessions/{self.drive_id}"
        leaving = self.driver.tokens["access_token"]
        self._read_until_a_hit(path, leaving)
        self.driver.log_in()
        name = f"round {number}"
        with Trouble(lambda is_refusing: cause(self.server, is_refusing), chance) as trouble:
            changed = expect(200, self.driver.call("PATCH", path, {"name": name}))
            trouble.written()
            self._read(path, name)
        while not self._read(path, name):
            time.sleep(POLL_S)
        with Trouble(lambda is_refusing: cause(self.server, is_refusing), chance) as trouble:
            left = expect(204, self.driver.call("POST", "/auth/logout", token=leaving))
            trouble.written()
            self._knock(leaving)
        self._knock(leaving)
        self._read_until_a_hit(path, self.driver.tokens["access_token"])
        self._knock(leaving)
        self.write_s += [changed.seconds, left.seconds]

    def _read_until_a_hit(self, path: str, token: str) -> None:
        """Have the other process believe what is cached of the drive, and of the account."""
        while "hit" not in expect(200, self.driver.call("GET", path, token=token, api=self.elsewhere)).cache_status:
            time.sleep(POLL_S)

    def _read(self, path: str, name: str) -> bool:
        """Hold a read against what was acknowledged, and say whether it came from the cache."""
        answer = expect(200, self.driver.call("GET", path, api=self.elsewhere))
        self.found["reads"] += 1
        self.found["stale"] += answer.json["name"] != name
        is_hit = "hit" in answer.cache_status
        self.found["hits"] += is_hit
        return is_hit

    def _knock(self, token: str) -> None:
        answer = self.driver.call("GET", "/users/me", token=token, api=self.elsewhere)
        self.found["revived"] += answer.status == 200

    def __post_init__(self) -> None:
        self.drive_id = self.driver.starts_a_drive()["id"]


@contextmanager
def pair() -> Iterator[Pair]:
    """Start the servers and two web processes of one thread pool each."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="refusals-")))
        postgres, valkey = stack.enter_context(Postgres()), stack.enter_context(Valkey(data_dir=folder / "valkey"))
        environment = {
            "DATABASE_URL": postgres.create_database("refusals"),
            "REDIS_URL": valkey.url,
            "WEB_CONCURRENCY": "1",
            "RATELIMIT_ENABLED": "0",
            "MAX_LOGINS_PER_USER": "1000",
            "LOG_LEVEL": "ERROR",
        }
        apis = []
        for number in range(2):
            (folder / str(number)).mkdir()
            fleet = stack.enter_context(Fleet(folder / str(number), environment))
            if number == 0:
                fleet.run("release")
            fleet.ensure("web")
            apis.append(stack.enter_context(Api(fleet.port)))
        yield Pair(Server(valkey), Driver.registered(apis[0]), apis[1])
