"""The pool of the worker's processes: Celery's, with one defect mended.

A worker that finds its broker again watches all processes of its pool anew, also one that was killed a moment ago and
is not watched any more: kombu 5.7.0 raises a ValueError for it, Celery 5.7.0 expects other errors there, and the worker
ends. Here such a process stays unwatched. The pool looks for processes that have ended every few seconds anyway.
"""

from typing import Any

from celery.concurrency import asynpool, prefork


class AsynPool(asynpool.AsynPool):
    """A pool that does not watch again what has ended."""

    def _track_child_process(self, proc: Any, hub: Any) -> None:
        has_ended = getattr(proc, "_sentinel_poll", proc) is None
        if not has_ended:
            super()._track_child_process(proc, hub)


class TaskPool(prefork.TaskPool):
    """Celery's pool of processes, made of the one above."""

    Pool = AsynPool
