"""The faults in Redis."""

from testbed.checker.faults.base import Faults, wait
from testbed.checker.faults.refusals import (
    Refusal,
    after_a_failed_save,
    as_a_replica,
    some_times_s,
    without_replicas,
)
from testbed.checker.findings import Findings
from testbed.checker.servers import Servers
from webapp.auth.cached_users import USERS
from webapp.cache import keys
from webapp.driving.cached_lists import SESSION_LISTS
from webapp.driving.cached_sessions import SESSIONS

CACHED = (SESSIONS.prefix, SESSION_LISTS.prefix, USERS.prefix, keys.blacklist(""))
LONGEST_LAG_S = 1.0
LONGEST_TERM_S = 2.0


class RedisFaults(Faults):
    """Keys are deleted; the server is flushed, paused, killed, and restarted empty or with an old snapshot; it refuses
    writes for a while; and its replica takes its place.
    """

    mean_pause_s = 0.8

    def __init__(self, servers: Servers, findings: Findings, seed: int) -> None:
        super().__init__(findings, seed)
        self._servers = servers

    def _delete_keys(self) -> None:
        client = self._servers.client(self._servers.primary)
        found = [key for key in client.scan_iter(count=1000) if key.startswith(CACHED)]
        chosen = self.chance.sample(found, k=min(len(found), self.chance.randint(1, 20)))
        self.findings.fault("delete_keys", " ".join(chosen))
        # One by one, each at another moment of what the servers are doing.
        for key in chosen:
            client.delete(key)
            wait(self.chance.uniform(0, 0.02))

    def _flush(self) -> None:
        self.findings.fault("flush")
        self._servers.client(self._servers.primary).flushall()

    def _pause(self) -> None:
        for_s = self.some_pause_s()
        self.findings.fault("pause", f"for {for_s:.3f} s")
        self._servers.primary.pause()
        wait(for_s)
        self._servers.primary.resume()
        self.findings.note("Redis goes on")

    def _restart_empty(self) -> None:
        self._servers.snapshot.unlink(missing_ok=True)
        self._restart("restart_empty")

    def _restart_with_an_old_snapshot(self) -> None:
        self._servers.save()
        wait(self.chance.uniform(0.1, 2))
        self._restart("restart_snapshot")
        self._servers.snapshot.unlink(missing_ok=True)

    def _restart(self, kind: str) -> None:
        away_s = self.some_absence_s()
        self.findings.fault(kind, f"after {away_s:.3f} s")
        self._servers.primary.kill()
        wait(away_s)
        self._servers.primary.start()
        self.findings.note("Redis is back")

    def _refuse(self) -> None:
        self._refuse_with("refuse", without_replicas)

    def _refuse_as_a_replica(self) -> None:
        self._refuse_with("readonly", as_a_replica)

    def _refuse_after_a_failed_save(self) -> None:
        self._refuse_with("misconf", after_a_failed_save)

    def _refuse_with(self, kind: str, refusal: Refusal) -> None:
        with refusal(self._servers) as refuse:
            times_s = some_times_s(self.chance)
            self.findings.fault(kind, "for " + ", ".join(f"{for_s:.3f}" for for_s in times_s) + " s")
            for for_s in times_s:
                refuse(True)
                wait(for_s)
                refuse(False)
                wait(for_s if len(times_s) > 1 else 0)
        self.findings.note("Redis takes writes")

    def _fail_over(self) -> None:
        """The replica takes over, and the other one follows it from then on."""
        self._lag("failover")
        self._switch()
        self._servers.follow()

    def _fail_over_and_back(self) -> None:
        """The replica takes over for a moment; then the other one comes back, which has missed all that happened."""
        self._lag("failover_and_back")
        self._switch()
        wait(self.chance.uniform(0, LONGEST_TERM_S))
        self._switch()
        self._servers.follow()

    def _lag(self, kind: str) -> None:
        self._servers.synchronize()
        lag_s = self.chance.choice((0.0, self.chance.uniform(0, LONGEST_LAG_S)))
        self.findings.fault(kind, f"to a replica that lags {lag_s:.3f} s behind")
        self._servers.cut_the_replica_off()
        wait(lag_s)

    def _switch(self) -> None:
        away_s = self.some_absence_s()
        self._servers.leave()
        self._servers.switch()
        wait(away_s)
        self._servers.lead()
        self.findings.note(f"Redis has failed over, after {away_s:.3f} s")

    kinds = {
        "delete_keys": (8, _delete_keys),
        "flush": (3, _flush),
        "pause": (3, _pause),
        "restart_empty": (2, _restart_empty),
        "restart_snapshot": (2, _restart_with_an_old_snapshot),
        "refuse": (4, _refuse),
        "readonly": (2, _refuse_as_a_replica),
        "misconf": (2, _refuse_after_a_failed_save),
        "failover": (2, _fail_over),
        "failover_and_back": (2, _fail_over_and_back),
    }
