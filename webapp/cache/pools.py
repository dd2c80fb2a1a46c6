"""The pool of connections to whichever server is the one to be asked now."""

from typing import Any

from redis import BlockingConnectionPool

from webapp.cache.stamp import Stamp


class SharedConnections(BlockingConnectionPool):
    """A pool whose callers wait for each other, and get no connection to a server that was left since it was made."""

    def __init__(self, stamp: Stamp, **options: Any) -> None:
        self._stamp = stamp
        super().__init__(**options)  # type: ignore[no-untyped-call]

    def get_connection(self, *args: Any, **options: Any) -> Any:
        """Return a connection, made anew if the server has changed."""
        connection: Any = super().get_connection(*args, **options)  # type: ignore[no-untyped-call]
        if connection.generation != self._stamp.generation:
            try:
                connection.disconnect()
                connection.connect()
            except BaseException:
                self.release(connection)  # type: ignore[no-untyped-call]
                raise
        return connection
