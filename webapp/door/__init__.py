"""The door: what gunicorn's event loop serves, an ASGI application in front of Flask.

Hot reads are answered here (`hot_reads`), live streams live here (`streams`), and everything else is read whole before
a thread of Flask's sees it (`bridge`). `serving` has gunicorn's worker serve it: with limits, and with an end that
resets nobody. Nothing here waits for a lock, a file, the database or a name server: one request would stop all.
"""

import time
from collections.abc import Mapping

from flask import Flask

from webapp.cache.redis import cache_of
from webapp.config import settings
from webapp.door.answers import NO_STORE, Answers, json
from webapp.door.asgi import Answer, Receive, Scope, Send
from webapp.door.bridge import Bridge, HungUpError
from webapp.door.environ import FRAMING
from webapp.door.hot_reads import HotReads
from webapp.door.streams import Streams
from webapp.http.errors import Problem, Unavailable

SURPLUS = "webapp.surplus"
"""The extension that marks a request on a connection beyond the bound."""

LEFT_TO_FLASK = FRAMING | {b"origin"}
"""Bodies, and pages of other origins. A header that is there twice is left to Flask, too."""

LIVE_PATH, READY_PATH = "/health/live", "/health/ready"
LIVE, NOT_READY = json(b'{"status":"ok"}', [NO_STORE]), json(b'{"status":"down"}', [NO_STORE], 503)


class Door:
    """The door of an application, in one event loop."""

    def __init__(self, app: Flask) -> None:
        self.app, self.settings = app, settings(app)
        self.answers, self.streams = Answers(app), Streams()
        self.most_connections, self.is_ready = self.settings.web_max_connections, True
        self._hot, self._bridge = HotReads(app), Bridge(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            # As ASGI asks of an application: a server then does without (lifespan), or refuses (WebSockets).
            raise ValueError(f"the door does not speak {scope['type']}")
        started = time.perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        answer: Answer | Problem | None
        try:
            answer = await self._answer_at_once(scope, headers)
            if answer is None:
                return await self._pass_on(scope, receive, send, started)
        except HungUpError:
            return None
        except Problem as problem:
            answer = problem
        return await self.answers.send(send, scope, headers, answer, started)

    def drain(self, *, is_ready: bool) -> None:
        """Have the streams end, and say from now on whether traffic is wanted here all the same."""
        self.is_ready = is_ready
        self.streams.ending.set()

    async def close(self) -> None:
        """Close what belongs to the event loop."""
        await cache_of(self.app).shared.close()

    async def _answer_at_once(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Answer | None:
        """Answer in the event loop, if that is possible. Raises 503."""
        is_plain = (
            scope["method"] == "GET" and len(headers) == len(scope["headers"]) and LEFT_TO_FLASK.isdisjoint(headers)
        )
        if is_plain and scope["path"] == LIVE_PATH:
            return LIVE
        if SURPLUS in scope.get("extensions", ()):
            raise Unavailable("Too many connections. Try again.")
        if is_plain and not self.is_ready and scope["path"] == READY_PATH:
            return NOT_READY
        return await self._hot.answer(scope, headers) if is_plain else None

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, started: float) -> None:
        stream = self.streams.find(scope)
        if stream is None:
            await self._bridge.answer(scope, receive, send, started)
        else:
            await stream(scope, receive, send, self.streams.ending)
