"""Sending the worker a task of the schedule now, instead of waiting for beat."""

from celery import Celery

from testbed.fleet import Fleet
from webapp.jobs import PERIODIC_QUEUE


def send(fleet: Fleet, task: str, times: int = 1) -> None:
    """Send a periodic task through the fleet's broker, as beat does."""
    with Celery(broker=fleet.environment["REDIS_URL"], set_as_current=False) as sender:
        for _ in range(times):
            sender.send_task(task, queue=PERIODIC_QUEUE, ignore_result=True)
