"""What something costs: commands to Redis, statements, decoded tokens, calls of Flask."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from webapp.auth import tokens
from webapp.cache.redis import Cache, cache_of
from webapp.database import db
from webapp.door.bridge import Bridge


class Cost:
    """What happened while something was counted."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.statements: list[str] = []
        self.decodes = self.calls_of_flask = 0


@contextmanager
def counted(app: Flask) -> Iterator[Cost]:
    """Count Redis commands (as the server saw them) and the rest."""
    cost, cache = Cost(), cache_of(app)
    before = commands_processed(cache)
    with app.app_context():
        engine = db.engine
    decode, answer = tokens.decode_token, Bridge.answer

    def note_statement(*args: Any) -> None:
        cost.statements.append(args[2])

    def counting_decode(encoded: str) -> Any:
        cost.decodes += 1
        return decode(encoded)

    async def counting_answer(*args: Any) -> None:
        cost.calls_of_flask += 1
        await answer(*args)

    event.listen(engine, "before_cursor_execute", note_statement)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tokens, "decode_token", counting_decode)
            patch.setattr(Bridge, "answer", counting_answer)
            yield cost
    finally:
        event.remove(engine, "before_cursor_execute", note_statement)
    cost.commands = difference(before, commands_processed(cache))


def commands_processed(cache: Cache) -> dict[str, int]:
    """Return how often the server has executed each command."""
    stats: dict[str, Any] = cache.client.info("commandstats")
    return {name.removeprefix("cmdstat_"): row["calls"] for name, row in stats.items() if name != "cmdstat_info"}


def difference(before: dict[str, int], after: dict[str, int]) -> list[str]:
    """Return the commands that were executed in between."""
    return [name for name, calls in after.items() for _ in range(calls - before.get(name, 0))]
