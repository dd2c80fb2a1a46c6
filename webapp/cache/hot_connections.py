"""MGET over connections that are kept at hand, which saves the pool's 15 to 20 µs for each command."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from hiredis import pack_command
from redis import ConnectionPool, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MaxConnectionsError

from webapp.cache.stamp import Stamp
from webapp.cache.trust import Trust


class HotConnections:
    """The connections of the threads that answer hot reads, one each."""

    def __init__(self, pool: ConnectionPool, stamp: Stamp, trust: Trust) -> None:
        self._pool, self._stamp, self._trust = pool, stamp, trust
        self._at_hand: deque[Any] = deque()  # The one that was used last is taken first.

    def mget(self, keys: Sequence[str]) -> list[str | None] | None:
        """Fetch many keys in one round trip; None when Redis is out of reach."""
        try:
            try:
                return self._ask(keys)
            except MaxConnectionsError:
                raise
            except RedisConnectionError:
                # The server may have closed a connection that was idle; a new one tells whether it is there.
                return self._ask(keys)
        except MaxConnectionsError:
            return None  # More threads than the settings say: this one goes Flask's way.
        except RedisError as error:
            self._trust.doubt(error, operation="hot_read")
            return None

    def close(self) -> None:
        """Close every connection."""
        self._pool.disconnect()

    def _ask(self, keys: Sequence[str]) -> list[str | None]:
        try:
            connection = self._at_hand.pop()
        except IndexError:
            connection = self._pool.get_connection()
        if connection.generation != self._stamp.generation:
            connection.disconnect()  # It may lead to a server that was left; what is sent next connects anew.
        try:
            # Packed here: redis-py's own packing takes three times as long.
            connection.send_packed_command([pack_command(("MGET", *keys))], check_health=False)  # type: ignore[arg-type]
            answer: list[str | None] = connection.read_response()
        except BaseException:
            # An answer that comes later must not be taken for that of the next question.
            connection.disconnect()
            raise
        finally:
            self._at_hand.append(connection)
        return answer
