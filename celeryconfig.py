"""Celery's settings, each with its reason. What the environment says comes from `webapp.config`.

Celery is only a hint here. A lost message costs a reader one query, and the reconciler finds every change again. So
the settings aim at a worker that stays up, gives up quickly and never runs a poisoned task for ever.
"""

from contextlib import suppress

from celery.schedules import crontab
from kombu import Exchange, Queue

from webapp import jobs
from webapp.config import load

_settings = load()

broker_url = _settings.broker_url
broker_use_ssl = _settings.broker_tls

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
worker_concurrency = _settings.worker_concurrency
worker_pool = "worker.pool:TaskPool"

# Named queues, not priorities: a rush of warms must not keep the reconciler waiting. Each has an exchange and a key of
# its own: left out, they would be those of the default queue.
task_queues = tuple(Queue(name, Exchange(name), routing_key=name) for name in jobs.QUEUES)
task_default_queue = jobs.PERIODIC_QUEUE
task_create_missing_queues = False

timezone = "UTC"
beat_schedule_filename = str(_settings.beat_schedule_file)
# beat cannot begin without its folder; whether it could be made is for beat to say, not for the worker.
with suppress(OSError):
    _settings.beat_schedule_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
beat_max_loop_interval = 1.0

# A job that could not be sent in time is not sent late: the next one does its work. What runs less often than every few
# minutes has a crontab, so that it also runs where processes are restarted every day.
beat_schedule = {
    "reconcile": {
        "task": jobs.RECONCILE,
        "schedule": _settings.reconcile_interval_s,
        "options": {"expires": _settings.reconcile_interval_s},
    },
    "refresh-ahead": {"task": jobs.REFRESH_AHEAD, "schedule": 20, "options": {"expires": 20}},
    "measure-drift": {"task": jobs.MEASURE_DRIFT, "schedule": crontab(minute="*/10"), "options": {"expires": 300}},
    "close-abandoned-sessions": {"task": jobs.CLOSE_ABANDONED_SESSIONS, "schedule": 30, "options": {"expires": 30}},
    "compact-due": {"task": jobs.COMPACT_DUE, "schedule": 30, "options": {"expires": 30}},
    "erase-deleted": {"task": jobs.ERASE_DELETED, "schedule": 30, "options": {"expires": 30}},
    "purge-expired": {"task": jobs.PURGE_EXPIRED, "schedule": crontab(minute="*/5"), "options": {"expires": 300}},
}
