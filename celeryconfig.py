"""Celery's settings, each with its reason. Imports none of our code: the broker's address comes from the environment.

Celery is only a hint here. A lost message costs a reader one query, and the reconciler finds every change again. So
the settings aim at a worker that stays up, gives up quickly and never runs a poisoned task for ever.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path

from celery.schedules import crontab
from kombu import Exchange, Queue


def _number(name: str, given: str | None, default: int) -> int:
    """Read a positive number that may be left out; a wrong value is one clear line and exit 1."""
    value = given or str(default)
    if not (value.isascii() and value.isdecimal() and int(value)):
        sys.exit(f"configuration error: {name}: must be a positive number, not {value!r}")
    return int(value)


_redis_url = os.environ.get("CELERY_BROKER_URL") or os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379/0"
broker_url = "redis+socket://" + _redis_url.removeprefix("unix://") if _redis_url.startswith("unix://") else _redis_url
if broker_url.startswith("rediss://"):
    _verify = os.environ.get("REDIS_TLS_VERIFY", "1").lower() not in ("0", "false", "no", "off")
    broker_use_ssl = {"ssl_cert_reqs": "required" if _verify else "none"}

# The worker outlives its broker: it tries again for ever, also when a full or read-only Redis answers with an error.
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_channel_error_retry = True
broker_transport_options = {
    "visibility_timeout": 60,  # Longer than any task may run: an earlier redelivery would run it twice.
    "unacked_restore_interval": 5,  # With these two a task whose worker was killed is back after seconds, not minutes.
    "unacked_restore_throttle": 1,
    "health_check_interval": 5,  # Finds half-open connections.
    "socket_keepalive": True,
    "socket_connect_timeout": 2,
    "socket_timeout": 2,  # Without it a worker that is told to stop waits for a hung Redis for ever.
}

# No result is ever read.
result_backend = None
task_ignore_result = True
task_serializer = "json"
accept_content = ["json"]

# A task is acknowledged when it is done, and runs at most this long. All tasks may safely run twice.
task_acks_late = True
task_reject_on_worker_lost = True
task_retry_on_worker_lost = True
task_soft_time_limit = 20
task_time_limit = 30
worker_prefetch_multiplier = 1
worker_max_tasks_per_child = 1000
worker_max_memory_per_child = 200_000  # KiB
worker_soft_shutdown_timeout = 5.0
worker_send_task_events = False
worker_hijack_root_logger = False
worker_concurrency = _number("WORKER_CONCURRENCY", os.environ.get("WORKER_CONCURRENCY"), 2)

# Named queues, not priorities: a rush of warms must not keep the reconciler waiting. Each has an exchange and a key of
# its own: left out, they would be those of the default queue.
task_queues = tuple(Queue(name, Exchange(name), routing_key=name) for name in ("periodic", "warm"))
task_default_queue = "periodic"
task_create_missing_queues = False

timezone = "UTC"
beat_schedule_filename = os.environ.get("CELERYBEAT_SCHEDULE_FILENAME") or str(
    Path(os.environ.get("VAR_DIR") or "var") / "celerybeat-schedule"
)
# beat cannot begin without its folder; whether it could be made is for beat to say, not for the worker.
with suppress(OSError):
    Path(beat_schedule_filename).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
beat_max_loop_interval = 1.0
_reconcile_interval_s = _number("RECONCILE_INTERVAL_S", os.environ.get("RECONCILE_INTERVAL_S"), 5)

# A job that could not be sent in time is not sent late: the next one does its work. What runs less often than every few
# minutes has a crontab, so that it also runs where processes are restarted every day.
beat_schedule = {
    "reconcile": {
        "task": "worker.upkeep.reconcile",
        "schedule": _reconcile_interval_s,
        "options": {"expires": _reconcile_interval_s},
    },
    "refresh-ahead": {"task": "worker.warming.refresh_ahead", "schedule": 20, "options": {"expires": 20}},
    "audit-cache": {
        "task": "worker.upkeep.audit_cache",
        "schedule": crontab(minute="*/10"),
        "options": {"expires": 300},
    },
    "close-abandoned-sessions": {
        "task": "worker.upkeep.close_abandoned_sessions",
        "schedule": 30,
        "options": {"expires": 30},
    },
    "erase-deleted": {"task": "worker.upkeep.erase_deleted", "schedule": 30, "options": {"expires": 30}},
    "purge-expired-logins": {
        "task": "worker.upkeep.purge_expired_logins",
        "schedule": crontab(minute="*/5"),
        "options": {"expires": 300},
    },
}
