"""The worker process: celery -A worker worker, and celery -A worker beat.

The Flask application is built lazily, once per process: a prefork child gets a database engine and a Redis pool of its
own.
"""

import os
import threading
import time
from functools import lru_cache
from typing import Any

import billiard.pool
import structlog
from celery import Celery, Task
from celery.signals import heartbeat_sent, worker_init, worker_ready
from flask import Flask, has_app_context
from redis import RedisError

from webapp import create_app
from webapp.cache import keys
from webapp.cache.redis import get_redis
from worker import broker, stand_in

log = structlog.get_logger(__name__)


@lru_cache(maxsize=1)
def _app_of_process(_pid: int) -> Flask:
    return create_app()


_making = threading.Lock()


def flask_app() -> Flask:
    """Return this process's Flask application. Its tasks and beat's stand-in may both be the first to ask."""
    with _making:
        return _app_of_process(os.getpid())


class AppContextTask(Task):
    """A task that runs inside the Flask application, and in a context that stands already if there is one."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task."""
        if has_app_context():
            return self.run(*args, **kwargs)
        with flask_app().app_context():
            return self.run(*args, **kwargs)


# As in wsgi.py: beat's schedule, and a SQLite file that is first opened here, are nobody else's to read.
os.umask(0o077)
broker.use()
celery = Celery("worker", task_cls=AppContextTask, include=["worker.tasks"])
celery.config_from_object("celeryconfig")
stand_in.stand_by(flask_app)


@worker_init.connect
def _bound_the_shutdown(**_: Any) -> None:
    # billiard waits 30 s for the acknowledgement of a child that has gone; Heroku kills after 30 s.
    billiard.pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = 20


@worker_ready.connect
@heartbeat_sent.connect
def _say_that_the_worker_lives(**_: Any) -> None:
    """Write down when the worker was last seen, for /health."""
    with flask_app().app_context():
        try:
            get_redis().set(keys.WORKER_HEARTBEAT, time.time(), ex=3600)
        except RedisError as error:
            log.warning("heartbeat_not_written", error=type(error).__name__)
