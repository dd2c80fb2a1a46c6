"""Deleting many rows without holding anybody up: in batches, each a short transaction of its own.

One statement over a million rows would hold their locks, and on SQLite everybody's, until it is done; beyond
`database.STATEMENT_TIMEOUT_MS` it is not done at all, however often it is tried. A batch is done for good once it is
committed: whoever is killed in the middle, or has used up the time, goes on in the next run with what is left.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, inspect, literal, select, text, true, tuple_

from webapp.cache.coherence import CHANGES_NOTHING_CACHED
from webapp.extensions import db
from webapp.models import Base

BATCH = 1000
"""Rows in one transaction."""

LONGEST_PAUSE_S = 0.05
"""How long others are left alone at most after a batch, in s: several looks of who waits for SQLite."""

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

    They are walked through in the order of columns that have an index and tell any two of them apart. So no batch looks
    again at what the ones before have left behind, dead and not yet cleared: of two million rows that would be seconds
    in the end. Whether all are gone, `budget.is_left()` tells.
    """
    place: ColumnElement[bool] = true()
    deleted = 0
    for _ in budget.batches():
        _walk_along_an_index()
        rest = and_(condition, place)
        found = db.session.execute(select(*order).where(rest).order_by(*order).limit(BATCH)).all()
        if found:
            last = tuple_(*(literal(value, column.type) for column, value in zip(order, found[-1], strict=True)))
            deleted += _delete(model, rest, tuple_(*order) <= last)
            place = tuple_(*order) > last
        db.session.commit()
        if len(found) < BATCH:
            break
    return deleted


def delete_belonging(model: type[Base], reference: Any, ids: Sequence[str], budget: Budget) -> None:
    """Delete the rows that refer to one of these ids: few of many, and many of few. `reference` is the first column of
    their primary key.

    An id that has more than a batch is walked through by itself: with one id given, and no other way, the index leads
    right to the place where the walk goes on.
    """
    order = [column for column in inspect(model).primary_key if column.name != reference.name]
    left = list(ids)
    for _ in budget.batches():
        _walk_along_an_index()
        query = select(reference).where(reference.in_(left)).order_by(reference).limit(BATCH)
        found = db.session.scalars(query).all()
        done = set(found)
        few = done - {found[-1]} if len(found) == BATCH else done
        if few:
            _delete(model, reference.in_(few))
        db.session.commit()
        if len(found) < BATCH:
            break
        delete_rows(model, reference == found[-1], budget, *order)
        left = [id for id in left if id not in done]


def _walk_along_an_index() -> None:
    """Have PostgreSQL walk along the index in this transaction. Of a table that grew fast it knows little, and where it
    expects few rows, it sorts all that is left before it gives the first thousand.
    """
    if db.engine.dialect.name == "postgresql":
        db.session.execute(text("SET LOCAL enable_bitmapscan = off"))


def _delete(model: type[Base], *conditions: Any) -> int:
    result = db.session.execute(delete(model).where(*conditions), execution_options=OPTIONS)
    return int(result.rowcount)  # type: ignore[attr-defined]
