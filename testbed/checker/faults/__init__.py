"""The faults: what breaks while the load goes on. One thread breaks things in Redis, one among the processes, and one
in the database.
"""

from testbed.checker.faults.database import DatabaseFaults
from testbed.checker.faults.processes import ProcessFaults
from testbed.checker.faults.redis import RedisFaults

__all__ = ["ALL", "DatabaseFaults", "ProcessFaults", "RedisFaults"]

ALL = frozenset({*RedisFaults.kinds, *ProcessFaults.kinds, *DatabaseFaults.kinds})
