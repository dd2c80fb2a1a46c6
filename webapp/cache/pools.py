"""Pools of connections to whichever server is the one to be asked now."""

from typing import Any

from redis import BlockingConnectionPool, ConnectionPool

from webapp.cache.stamp import Stamp


class CurrentConnections(ConnectionPool):
    """A pool that hands out no connection to a server that was left since the connection was made."""

    def __init__(self, stamp: Stamp, **options: Any) -> None:
        self._stamp = stamp
        super().__init__(**options)

    def get_connection(self, *args: Any, **options: Any) -> Any:
        """Return a connection, made anew if the server has changed."""
        connection: Any = super().get_connection(*args, **options)
        if connection.generation != self._stamp.generation:
            try:
                connection.disconnect()
                connection.connect()
            except BaseException:
                self.release(connection)
                raise
        return connection


class SharedConnections(CurrentConnections, BlockingConnectionPool):
    """Such a pool, whose callers wait for each other."""
