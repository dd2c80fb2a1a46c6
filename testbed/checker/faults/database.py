"""The faults in the database. What it has acknowledged, it still has when it comes back."""

from collections.abc import Callable

from embedded.postgres import Postgres
from testbed.checker.faults.base import Faults, wait
from testbed.checker.findings import Findings


class DatabaseFaults(Faults):
    """PostgreSQL is shut down, as for an update, or killed with -9, and is back after a while."""

    mean_pause_s = 8.0

    def __init__(self, postgres: Postgres, findings: Findings, seed: int) -> None:
        super().__init__(findings, seed)
        self._postgres = postgres

    def _shut_down(self) -> None:
        self._have_it_away("restart_database", self._postgres.stop)

    def _kill(self) -> None:
        self._have_it_away("kill_database", self._postgres.kill)

    def _have_it_away(self, kind: str, end: Callable[[], None]) -> None:
        away_s = self.some_absence_s()
        self.findings.fault(kind, f"after {away_s:.3f} s")
        with self.findings.without_database():
            end()
            wait(away_s)
            self._postgres.start()
        self.findings.note("the database is back")

    kinds = {
        "restart_database": (1, _shut_down),
        "kill_database": (1, _kill),
    }
