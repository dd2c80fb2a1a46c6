"""The stand-in for beat: it reconciles when beat's message stays away.

A full Redis takes no message, so beat cannot ask; but it takes fences, so the reconciler can repair. Whoever runs it
leaves a mark in Redis that expires when the next run is overdue. A thread in each process that runs tasks looks for the
mark every `RECONCILE_INTERVAL_S`; who finds none sets it, and runs the reconciler itself. While beat's messages come,
no thread ever finds the mark missing; while they do not, one process of all workers runs it each time.

The thread is not in the worker's main process, which forks: a child forked while a thread holds a lock has it locked
for ever. The processes that run tasks fork nothing.
"""

import threading
from collections.abc import Callable

import structlog
from celery.signals import worker_process_init, worker_process_shutdown
from flask import Flask
from redis import RedisError
from sqlalchemy.exc import SQLAlchemyError

from webapp.cache import keys
from webapp.cache.reconcile import reconcile
from webapp.cache.redis import get_redis
from webapp.config import settings

log = structlog.get_logger(__name__)

PATIENCE = 3
"""So many intervals without a run: beat's messages stay away."""

PUNCTUALITY = 0.9
"""A run of our own keeps the next one waiting for this share of an interval, so that the next look finds it due."""

# A plain SET is refused by a full Redis.
_MARK = "#!lua flags=allow-oom\nreturn redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])"
_MARK_FIRST = "#!lua flags=allow-oom\nreturn redis.call('SET', KEYS[1], '1', 'PX', ARGV[1], 'NX')"


def note_run() -> None:
    """Leave the mark of a run that beat asked for."""
    get_redis().eval(_MARK, 1, keys.RECONCILED, int(PATIENCE * settings().reconcile_interval_s * 1000))


def reconcile_if_due() -> bool:
    """Run the reconciler unless somebody did lately, or is at it. Returns whether it was run."""
    waiting_ms = int(PUNCTUALITY * settings().reconcile_interval_s * 1000)
    if get_redis().eval(_MARK_FIRST, 1, keys.RECONCILED, waiting_ms) is None:
        return False
    log.warning("reconciled_unasked")
    reconcile()
    return True


class StandIn:
    """The thread of one process. It lives as long as the process, whose end it does not hold up."""

    def __init__(self, make_app: Callable[[], Flask]) -> None:
        self._make_app = make_app
        self._stopped = threading.Event()

    def start(self, **_: object) -> None:
        """Begin to look, in a process that runs tasks."""
        self._stopped = threading.Event()
        threading.Thread(target=self._run, args=(self._stopped,), name="stand-in", daemon=True).start()

    def stop(self, **_: object) -> None:
        """Begin no further run."""
        self._stopped.set()

    def _run(self, stopped: threading.Event) -> None:
        app = self._make_app()
        interval_s = settings(app).reconcile_interval_s
        # beat may be starting just now, too.
        next_look_s = PATIENCE * interval_s
        while not stopped.wait(next_look_s):
            next_look_s = interval_s
            with app.app_context():
                _look()


def _look() -> None:
    try:
        reconcile_if_due()
    except (RedisError, SQLAlchemyError) as error:
        log.warning("reconcile_failed", error=type(error).__name__)
    except Exception:
        # A defect, which must not end the thread: what it fails over may be gone the next time.
        log.exception("reconcile_failed")


def stand_by(make_app: Callable[[], Flask]) -> None:
    """Have a stand-in in every process that will run tasks."""
    stand_in = StandIn(make_app)
    worker_process_init.connect(stand_in.start, weak=False)
    worker_process_shutdown.connect(stand_in.stop, weak=False)
