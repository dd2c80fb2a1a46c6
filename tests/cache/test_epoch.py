"""The epoch: which run of the server the process is connected to."""

from collections.abc import Callable

import pytest

from webapp.cache.entries import Entry
from webapp.cache.redis import Cache, epoch_of


class Connection:
    """A connection to a server with a run id; something may happen while its answer is on the way."""

    def __init__(self, run_id: str, meanwhile: Callable[[], None] = lambda: None) -> None:
        self._run_id = run_id
        self._meanwhile = meanwhile

    def on_connect(self) -> None:
        """Authenticate."""

    def send_command(self, *_: str) -> None:
        """Ask."""

    def read_response(self) -> str:
        """Answer, and let something happen before the caller goes on."""
        self._meanwhile()
        return f"# Server\r\nrun_id:{self._run_id}\r\n"


OLD, NEW = "0" * 40, "f" * 40


def entry_of(run_id: str) -> str:
    return f"v|{epoch_of(run_id)}|7|body"


def test_an_entry_of_another_run_of_the_server_is_absent(cache: Cache) -> None:
    cache._greet(Connection(OLD))
    assert cache.entries.parse(entry_of(OLD)) == Entry(7, "body")
    cache._greet(Connection(NEW))
    assert cache.entries.parse(entry_of(OLD)) is None


def test_a_thread_that_slept_with_the_old_servers_answer_in_hand_does_not_bring_its_epoch_back(cache: Cache) -> None:
    cache._greet(Connection(OLD, meanwhile=lambda: cache._greet(Connection(NEW))))
    assert cache.entries.parse(entry_of(OLD)) is None
    assert cache.entries.parse(entry_of(NEW)) == Entry(7, "body")


def test_an_entry_of_a_release_with_another_form_is_absent(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache._greet(Connection(OLD))
    written = entry_of(OLD)
    monkeypatch.setattr("webapp.cache.redis.BODY_FORMAT", 2)
    cache._greet(Connection(OLD))
    assert cache.entries.parse(written) is None
