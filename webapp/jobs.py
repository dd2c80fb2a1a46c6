"""The jobs of the worker: their names, and one function for each that the web process starts.

A job is a hint, never a promise: the database holds all that is to be done, and the reconciler finds what was lost. So
a job that cannot be sent is logged, and the request that wanted it goes on.
"""

from importlib import import_module
from typing import Any

import structlog
from kombu.exceptions import OperationalError
from redis import RedisError

from webapp.config import Settings, broker_tls
from webapp.extensions import celery_producer

log = structlog.get_logger(__name__)

WARM_QUEUE, PERIODIC_QUEUE = "warm", "periodic"
QUEUES = (WARM_QUEUE, PERIODIC_QUEUE)

WARM_SESSIONS = "worker.warming.warm_sessions"
WARM_USER = "worker.warming.warm_user"
REFRESH_AHEAD = "worker.warming.refresh_ahead"
RECONCILE = "worker.upkeep.reconcile"
CLOSE_ABANDONED_SESSIONS = "worker.upkeep.close_abandoned_sessions"
AUDIT_CACHE = "worker.upkeep.audit_cache"
ERASE_DELETED = "worker.upkeep.erase_deleted"
PURGE_EXPIRED_LOGINS = "worker.upkeep.purge_expired_logins"

WARM_EXPIRES_S = 60
"""A warm that waited longer than this is not worth doing, in s."""


TRANSPORT = "kombu.transport.redis"
PUBLISH_TIMEOUT_S = 0.25
"""How long a request may wait for the broker, in s. Celery's own patience with a hung Redis is over a minute."""


def configure_producer(settings: Settings) -> None:
    """Tell the producer where the broker is, and to give up quickly."""
    celery_producer.conf.update(
        broker_url=settings.broker_url,
        broker_connection_timeout=PUBLISH_TIMEOUT_S,
        broker_transport_options={
            "socket_timeout": PUBLISH_TIMEOUT_S,
            "socket_connect_timeout": PUBLISH_TIMEOUT_S,
            "socket_keepalive": True,
        },
        broker_use_ssl=broker_tls(settings),
        task_publish_retry=False,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
    )
    # Made ready here, without a connection: the first request that sends a job would otherwise wait 100 ms for it.
    celery_producer.finalize()
    celery_producer.amqp.router  # noqa: B018 - a property that is computed when it is first read
    import_module(TRANSPORT)


def warm_sessions(countdown_s: float) -> None:
    """Warm, in `countdown_s` seconds, the sessions that are due by then."""
    _send(WARM_SESSIONS, countdown=countdown_s)


def warm_user(user_id: str) -> None:
    """Warm a user, their active session and their newest ones."""
    _send(WARM_USER, user_id)


def _send(name: str, *args: str, countdown: float | None = None) -> None:
    options: dict[str, Any] = {"queue": WARM_QUEUE, "expires": WARM_EXPIRES_S, "ignore_result": True, "retry": False}
    try:
        celery_producer.send_task(name, args=args, countdown=countdown, **options)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("job_not_sent", job=name, error=type(error).__name__)
