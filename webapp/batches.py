"""Deleting many rows without holding anybody up: in batches, each a short transaction of its own.

One statement over a million rows would hold their locks, and on SQLite everybody's, until it is done; beyond
`database.STATEMENT_TIMEOUT_MS` it is not done at all, however often it is tried. A batch is done for good once it is
committed: whoever is killed in the middle, or has used up the time, goes on in the next run with what is left.
"""

import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, inspect, literal, select, true, tuple_

from webapp.cache.coherence import CHANGES_NOTHING_CACHED
from webapp.extensions import db
from webapp.models import Base

BATCH = 1000
"""Rows in one transaction."""

LONGEST_PAUSE_S = 0.05
OPTIONS = {CHANGES_NOTHING_CACHED: True, "synchronize_session": False}


class Budget:
    """How long a job may take, in s. It is looked at between two batches."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds

    def is_left(self) -> bool:
        """Say whether there is time for a further batch."""
        return time.monotonic() < self._ends_at

    def batches(self) -> Iterator[None]:
        """Go on, a batch at a time, for as long as there is time.

        After each one the others get as much time as it took: SQLite has one writer, and those who wait for their turn
        to write only look now and then.
        """
        while self.is_left():
            began = time.monotonic()
            yield
            time.sleep(min(time.monotonic() - began, LONGEST_PAUSE_S))


def delete_rows(model: type[Base], condition: Any, budget: Budget, *order: Any) -> int:
    """Delete the rows that fulfil a condition, of which nothing is cached, and return how many.

    They are walked through in an order that has an index and tells any two rows apart; that of the primary key unless
    columns are named. So no batch looks again at what the ones before have left behind, dead and not yet cleared.
    Whether that was all of them, `budget.is_left()` tells.
    """
    order = order or inspect(model).primary_key
    place: ColumnElement[bool] = true()
    deleted = 0
    for _ in budget.batches():
        rest = and_(condition, place)
        found = db.session.execute(select(*order).where(rest).order_by(*order).limit(BATCH)).all()
        if found:
            last = tuple_(*(literal(value, column.type) for column, value in zip(order, found[-1], strict=True)))
            result = db.session.execute(delete(model).where(rest, tuple_(*order) <= last), execution_options=OPTIONS)
            deleted += result.rowcount  # type: ignore[attr-defined]
            place = tuple_(*order) > last
        db.session.commit()
        if len(found) < BATCH:
            break
    return deleted
