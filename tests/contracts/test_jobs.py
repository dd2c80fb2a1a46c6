"""Jobs: the web process knows their names, the worker runs them, the schedule starts them."""

from typing import Any

import pytest
from celery.schedules import crontab

import celeryconfig
from tests.contracts.source_tree import CHECKOUT
from webapp import create_app, jobs
from webapp.config import load
from worker import celery

LONGEST_INTERVAL_S = 300
"""What runs less often has a crontab: an interval starts anew with each process, and might never come round."""

celery.loader.import_default_modules()


def names_in_jobs() -> set[str]:
    return {value for value in vars(jobs).values() if isinstance(value, str) and value.startswith("worker.")}


def consumed_queues() -> set[str]:
    return {queue.name for queue in celeryconfig.task_queues}


def test_every_task_has_its_name_in_jobs_and_every_name_its_task() -> None:
    assert names_in_jobs() == {name for name in celery.tasks if not name.startswith("celery.")}


def test_each_application_of_a_process_sends_to_its_own_broker() -> None:
    urls = ["redis://127.0.0.1:1/0", "redis://127.0.0.1:2/0"]
    apps = [create_app(load(redis_url=url, cache_probe_interval_ms=0, log_level="ERROR")) for url in urls]
    assert [app.extensions["producer"].conf.broker_url for app in apps] == urls


def test_the_queues_of_jobs_are_those_that_the_worker_consumes() -> None:
    assert set(jobs.QUEUES) == consumed_queues()
    assert celeryconfig.task_default_queue in consumed_queues()


def test_the_worker_of_the_procfile_consumes_every_queue() -> None:
    [line] = [line for line in (CHECKOUT / "Procfile").read_text().splitlines() if line.startswith("worker:")]
    assert not {"-Q", "--queues", "-X", "--exclude-queues"} & {word.partition("=")[0] for word in line.split()}


@pytest.mark.parametrize(("name", "entry"), celeryconfig.beat_schedule.items(), ids=list(celeryconfig.beat_schedule))
def test_an_entry_of_the_schedule_starts_a_task_that_some_worker_will_run(name: str, entry: dict[str, Any]) -> None:
    assert entry["task"] in celery.tasks
    assert entry["options"].get("queue", celeryconfig.task_default_queue) in consumed_queues()
    assert entry["options"]["expires"] > 0
    assert isinstance(entry["schedule"], crontab) or entry["schedule"] <= LONGEST_INTERVAL_S


def test_what_a_request_starts_is_not_what_the_schedule_starts() -> None:
    scheduled = {entry["task"] for entry in celeryconfig.beat_schedule.values()}
    assert scheduled | {jobs.WARM_DUE, jobs.WARM_FIRST_READS, jobs.COMPACT_READINGS} == names_in_jobs()
