"""The transport of Celery's messages: kombu's, with two defects mended.

A worker that loses its broker closes the connection twice, and acknowledges later what it had under way (seen in
kombu 5.7.0, celery.worker.consumer.Consumer.on_connection_error_after_connected). The channel then makes itself a new
pool from a connection that is None: an AttributeError, which nobody expects, and which ends the worker. Here it says
that the connection is lost, which everybody expects. What was not acknowledged comes back after the visibility timeout.

And a worker that is told to stop while its broker hangs would wait for the broker, for ever.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from celery.worker import state
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis


class Channel(kombu_redis.Channel):
    """A channel that knows when its connection was closed."""

    @contextmanager
    def conn_or_acquire(self, client: redis.Redis | None = None) -> Iterator[redis.Redis]:
        """Yield a client, `client` if it is given; raise redis.ConnectionError when the connection was closed."""
        if self.connection is None or self.connection.client is None:
            raise redis.ConnectionError("the connection to the broker was closed")
        with super().conn_or_acquire(client) as acquired:
            yield acquired


class Transport(kombu_redis.Transport):
    """kombu's transport with the channel above, which gives up a broker that hangs when the worker is to stop."""

    Channel: Any = Channel

    def establish_connection(self) -> Any:
        """Connect. Raises WorkerShutdown, in a worker that was told to stop: Celery would try again for ever."""
        state.maybe_shutdown()
        return super().establish_connection()  # type: ignore[no-untyped-call]


def use() -> None:
    """Make this process speak to Redis brokers, redis://, rediss:// and redis+socket://, with this transport."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:{Transport.__name__}"))
