"""Deleting many rows without holding anybody up: in batches, each a short transaction of its own.

One statement over a million rows would hold their locks, and on SQLite everybody's, until it is done; beyond
`database.STATEMENT_TIMEOUT_MS` it is not done at all, however often it is tried. A batch is done for good once it is
committed: whoever is killed in the middle, or has used up the time, goes on in the next run with what is left.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, inspect, literal, select, text, true, tuple_

from webapp.cache.unnoted import NOT_NOTICED
from webapp.database import db, read_connection
from webapp.models import Base

BATCH = 1000
"""Rows in one transaction."""

LONGEST_PAUSE_S = 0.05
"""How long others are left alone at most after a batch, in s: several looks of who waits for SQLite."""


class Budget:
    """How long a job may take, in s. It is looked at between two batches."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds

    def is_left(self) -> bool:
        """Say whether there is time for a further batch."""
        return time.monotonic() < self._ends_at

    def batches(self) -> Iterator[AbstractContextManager[None]]:
        """Go on, a batch at a time, for as long as there is time. Each is a block whose end commits it.

        After each one the others get as much time as it took: SQLite has one writer, and those who wait for their turn
        to write only look now and then.
        """
        while self.is_left():
            began = time.monotonic()
            yield _transaction()
            time.sleep(min(time.monotonic() - began, LONGEST_PAUSE_S))


@contextmanager
def _transaction() -> Iterator[None]:
    try:
        yield
        db.session.commit()
    except BaseException:
        db.session.rollback()
        raise


def delete_rows(model: type[Base], condition: Any, budget: Budget, *order: Any) -> int:
    """Delete the rows that fulfil a condition, of which nothing is cached, and return how many.

    They are walked through in the order of columns that have an index and tell any two of them apart. So no batch looks
    again at what the ones before have left behind, dead and not yet cleared: of two million rows that would be seconds
    in the end. Whether all are gone, `budget.is_left()` tells.
    """
    place: ColumnElement[bool] = true()
    deleted = 0
    for batch in budget.batches():
        with batch:
            _walk_along_an_index()
            rest = and_(condition, place)
            found = db.session.execute(select(*order).where(rest).order_by(*order).limit(BATCH)).all()
            if found:
                last = tuple_(*(literal(value, column.type) for column, value in zip(order, found[-1], strict=True)))
                deleted += _delete(model, rest, tuple_(*order) <= last)
                place = tuple_(*order) > last
        if len(found) < BATCH:
            break
    return deleted


def clear(parent: type[Base], due: Select[Any], budget: Budget, finish: Callable[[Sequence[str]], Any]) -> int:
    """Delete what belongs to rows of `parent`, and then `finish` these, given their ids, so that they are due no more.

    `due` selects the ids. What belongs to the rows goes in batches of its own, because the deletion of a row would take
    it along in one statement. Returns how many rows were finished.
    """
    cleared = 0
    for batch in budget.batches():
        with read_connection() as connection:
            ids = connection.scalars(due.limit(BATCH)).all()
        if not ids:
            break
        _delete_children(parent, ids, budget)
        with batch:
            if budget.is_left():
                finish(ids)
                cleared += len(ids)
    return cleared


def _delete_children(parent: type[Base], ids: Sequence[str], budget: Budget) -> None:
    for model in models_of(parent):
        [reference] = _references(model, parent)
        delete_belonging(model, reference, ids, budget)


def models_of(parent: type[Base]) -> list[type[Base]]:
    """Return the models whose rows belong to a row of `parent`, and would all be deleted with it in one statement."""
    models = [mapper.class_ for mapper in Base.registry.mappers if _references(mapper.class_, parent)]
    return sorted(models, key=lambda model: model.__tablename__)


def _references(model: type[Base], parent: type[Base]) -> list[Any]:
    return [key.parent for key in model.__table__.foreign_keys if key.references(parent.__table__)]  # type: ignore[arg-type]


def delete_belonging(model: type[Base], reference: Any, ids: Sequence[str], budget: Budget) -> None:
    """Delete the rows that refer to one of these ids: few of many, and many of few. `reference` is the first column of
    their primary key.

    An id that has more than a batch is walked through by itself: with one id given, and no other way, the index leads
    right to the place where the walk goes on.
    """
    order = [column for column in inspect(model).primary_key if column.name != reference.name]
    left = list(ids)
    for batch in budget.batches():
        with batch:
            _walk_along_an_index()
            query = select(reference).where(reference.in_(left)).order_by(reference).limit(BATCH)
            found = db.session.scalars(query).all()
            done = set(found)
            few = done - {found[-1]} if len(found) == BATCH else done
            if few:
                _delete(model, reference.in_(few))
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
    result = db.session.execute(delete(model).where(*conditions), execution_options=NOT_NOTICED)
    return int(result.rowcount)  # type: ignore[attr-defined]
