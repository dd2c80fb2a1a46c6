"""What ASGI is made of (https://asgi.readthedocs.io), as far as it is used here."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, NamedTuple

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


class Answer(NamedTuple):
    """An answer in one piece, without the headers that every answer has."""

    status: int
    headers: Headers
    body: bytes


def encoded(headers: Iterable[tuple[str, str]]) -> Headers:
    """Write headers as ASGI wants them."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
