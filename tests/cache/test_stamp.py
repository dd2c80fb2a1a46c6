"""The stamp: from which server, in which of its terms as a primary, and from which history of the database."""

from collections.abc import Callable

import pytest
from redis import ReadOnlyError

from webapp.cache.entries import Entry
from webapp.cache.redis import Cache
from webapp.cache.stamp import LEFT, Stamp, server_of


class Connection:
    """A connection to a server; something may happen while its answer is on the way."""

    generation: int

    def __init__(
        self, run_id: str, replid: str = "a" * 40, role: str = "master", meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        self.info = {"run_id": run_id, "master_replid": replid, "role": role}
        self._meanwhile = meanwhile

    def on_connect(self) -> None:
        """Authenticate."""

    def send_command(self, *_: str) -> None:
        """Ask."""

    def read_response(self) -> str:
        """Answer, and let something happen before the caller goes on."""
        self._meanwhile()
        return "# Server\r\n" + "".join(f"{name}:{value}\r\n" for name, value in self.info.items())


OLD, NEW = "0" * 40, "f" * 40
FIRST_TERM, SECOND_TERM = "1" * 40, "2" * 40


def entry_of(cache: Cache, connection: Connection, timeline: str = "") -> str:
    stamp = Stamp()
    stamp.take_over_form(cache.kinds.form())
    stamp.take_over_server(server_of(connection.info), 1)
    return f"v|{stamp.under(timeline)}|7|body"


def test_an_entry_of_another_run_of_the_server_is_absent(cache: Cache) -> None:
    timeline = cache.stamp.timeline
    cache._greet(Connection(OLD))
    assert cache.entries.parse(entry_of(cache, Connection(OLD), timeline)) == Entry(7, "body")
    cache._greet(Connection(NEW))
    assert cache.entries.parse(entry_of(cache, Connection(OLD), timeline)) is None


def test_an_entry_of_an_earlier_term_of_the_same_run_is_absent(cache: Cache) -> None:
    timeline = cache.stamp.timeline
    cache._greet(Connection(OLD, FIRST_TERM))
    assert cache.entries.parse(entry_of(cache, Connection(OLD, FIRST_TERM), timeline)) == Entry(7, "body")
    cache._greet(Connection(OLD, SECOND_TERM))
    assert cache.entries.parse(entry_of(cache, Connection(OLD, FIRST_TERM), timeline)) is None


def test_an_entry_of_another_history_of_the_database_is_absent(cache: Cache) -> None:
    cache._greet(Connection(OLD))
    cache.stamp.take_over_timeline("00000001", cache.stamp.question())
    assert cache.entries.parse(entry_of(cache, Connection(OLD), "00000001")) == Entry(7, "body")
    cache.stamp.take_over_timeline("00000002", cache.stamp.question())
    assert cache.entries.parse(entry_of(cache, Connection(OLD), "00000001")) is None


def test_a_replica_is_refused(cache: Cache) -> None:
    with pytest.raises(ReadOnlyError):
        cache._greet(Connection(NEW, role="slave"))


def test_a_thread_that_slept_with_the_old_servers_answer_in_hand_does_not_bring_its_stamp_back(cache: Cache) -> None:
    timeline = cache.stamp.timeline
    slow = Connection(OLD, meanwhile=lambda: cache._greet(Connection(NEW)))
    cache._greet(slow)
    assert cache.entries.parse(entry_of(cache, Connection(OLD), timeline)) is None
    assert cache.entries.parse(entry_of(cache, Connection(NEW), timeline)) == Entry(7, "body")
    assert slow.generation == LEFT, "the connection that it made is not used"


def test_an_older_answer_of_the_database_does_not_bring_its_timeline_back() -> None:
    stamp = Stamp()
    early, late = stamp.question(), stamp.question()
    stamp.take_over_timeline("00000002", late)
    stamp.take_over_timeline("00000001", early)
    assert stamp.timeline == "00000002"


def test_connections_made_before_the_server_changed_are_not_used_again(cache: Cache) -> None:
    first = cache.client.connection_pool.get_connection()
    socket = first._sock
    cache.client.connection_pool.release(first)
    cache._greet(Connection(NEW))
    again = cache.client.connection_pool.get_connection()
    assert again is first
    assert again._sock is not socket
    cache.client.connection_pool.release(again)


def test_an_entry_of_a_release_with_another_form_is_absent(cache: Cache) -> None:
    cache._greet(Connection(OLD))
    written = entry_of(cache, Connection(OLD), cache.stamp.timeline)
    assert cache.entries.parse(written) is not None
    cache.stamp.take_over_form("another")
    assert cache.entries.parse(written) is None
