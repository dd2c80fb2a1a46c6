"""The pool of the worker's processes outlives a broker that comes back while one of its processes is dying."""

import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery.concurrency import get_implementation
from kombu.asynchronous import Hub

import celeryconfig
from worker.pool import AsynPool, TaskPool


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    yield made
    made.close()


@pytest.fixture
def sentinel() -> Iterator[int]:
    read_end, write_end = os.pipe()
    yield read_end
    os.close(read_end)
    os.close(write_end)


def watch(process: Any, hub: Hub) -> None:
    AsynPool._track_child_process(object.__new__(AsynPool), process, hub)


def test_a_process_that_was_killed_is_not_watched_again(hub: Hub) -> None:
    watch(SimpleNamespace(_sentinel_poll=None), hub)
    assert not hub.readers


def test_a_process_that_lives_is_watched_when_it_begins_and_again_when_the_broker_is_back(
    hub: Hub, sentinel: int
) -> None:
    process = SimpleNamespace(_popen=SimpleNamespace(sentinel=sentinel))
    for _ in range(2):
        hub.readers.clear()
        watch(process, hub)
        assert list(hub.readers) == [process._sentinel_poll]


def test_the_worker_is_made_with_this_pool() -> None:
    assert get_implementation(celeryconfig.worker_pool) is TaskPool
