"""The web process with a live stream in it that never has anything to say: gunicorn testbed.streaming:app."""

import asyncio

from webapp import create_app
from webapp.door import Door
from webapp.door.asgi import Receive, Scope, Send

PATH = "/testbed/stream"
FIRST, LAST = b": here\n\n", b"event: bye\ndata: {}\n\n"


async def idle(_scope: Scope, _receive: Receive, send: Send, ending: asyncio.Event) -> None:
    """Say that the stream is open, and at its end that the client should come back."""
    headers = [(b"Content-Type", b"text/event-stream"), (b"Cache-Control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": FIRST, "more_body": True})
    await ending.wait()
    await send({"type": "http.response.body", "body": LAST})


app = Door(create_app())
app.streams.add(lambda scope: bool(scope["path"] == PATH), idle)
