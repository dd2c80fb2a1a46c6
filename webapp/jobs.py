"""The jobs of the worker: their names, and one function for each that the web process starts.

A job is a hint, never a promise: the database holds all that is to be done, and the reconciler finds what was lost. So
a job that cannot be sent is logged, and the request that wanted it goes on.
"""

from typing import Any

import kombu.transport.redis  # noqa: F401 - here, or the first request that sends a job would wait for it
import structlog
from celery import Celery
from flask import Flask, current_app
from kombu.exceptions import OperationalError
from redis import RedisError

from webapp.config import settings

log = structlog.get_logger(__name__)

WARM_QUEUE, PERIODIC_QUEUE = "warm", "periodic"
QUEUES = (WARM_QUEUE, PERIODIC_QUEUE)

WARM_DUE = "worker.tasks.warm_due"
WARM_FIRST_READS = "worker.tasks.warm_first_reads"
REFRESH_AHEAD = "worker.tasks.refresh_ahead"
RECONCILE = "worker.tasks.reconcile"
MEASURE_DRIFT = "worker.tasks.measure_drift"
CLOSE_ABANDONED_SESSIONS = "worker.tasks.close_abandoned_sessions"
ERASE_DELETED = "worker.tasks.erase_deleted"
PURGE_EXPIRED = "worker.tasks.purge_expired"
COMPACT_READINGS = "worker.tasks.compact_readings"
COMPACT_DUE = "worker.tasks.compact_due"

WARM_EXPIRES_S = 60
"""A warm that waited longer than this is not worth doing, in s."""

PUBLISH_TIMEOUT_S = 0.25
"""How long a request may wait for the broker, in s. Celery's own patience with a hung Redis is over a minute."""


def init_app(app: Flask) -> None:
    """Make the producer of `app`, which knows where the broker is, and gives up quickly."""
    given = settings(app)
    producer = Celery("producer", set_as_current=False)
    producer.conf.update(
        broker_url=given.broker_url,
        broker_connection_timeout=PUBLISH_TIMEOUT_S,
        broker_transport_options={
            "socket_timeout": PUBLISH_TIMEOUT_S,
            "socket_connect_timeout": PUBLISH_TIMEOUT_S,
            "socket_keepalive": True,
        },
        broker_use_ssl=given.broker_tls,
    )
    # Made ready here, without a connection: the first request that sends a job would otherwise wait 100 ms for it.
    producer.finalize()
    producer.amqp.router  # noqa: B018 - a property that is computed when it is first read
    app.extensions["producer"] = producer


def warm_due(countdown_s: float) -> None:
    """Warm, in `countdown_s` seconds, what is due by then."""
    _send(WARM_DUE, countdown=countdown_s)


def warm_first_reads(user_id: str) -> None:
    """Warm what a user who has just logged in will read."""
    _send(WARM_FIRST_READS, user_id)


def compact_readings(session_id: str) -> None:
    """Put the appended readings of a drive into its chunks."""
    _send(COMPACT_READINGS, session_id)


def _send(name: str, *args: str, countdown: float | None = None) -> None:
    producer: Celery = current_app.extensions["producer"]
    options: dict[str, Any] = {"queue": WARM_QUEUE, "expires": WARM_EXPIRES_S, "ignore_result": True, "retry": False}
    try:
        producer.send_task(name, args=args, countdown=countdown, **options)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("job_not_sent", job=name, error=type(error).__name__)
