"""Refusing writes of cached rows that nobody is told of: they would raise no version and fence nothing.

The listeners of `coherence` see what a flush writes. Every other insert, update or delete of a cached model that is
built with SQLAlchemy must say of itself, by an execution option, that its writer tells of it (`NOTED`), or that nothing
that is cached changes with it (`NOT_NOTICED`). Beyond this are statements written as text, tables that a migration
makes for itself, and a write that hides in the WITH of a query.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from flask import Flask
from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState

from webapp.cache.kinds import Kinds
from webapp.cache.redis import cache_of, get_cache
from webapp.database import db, is_flushing

CHANGES_NOTHING_CACHED, IS_NOTED = "changes_nothing_cached", "is_noted"

NOT_NOTICED = {CHANGES_NOTHING_CACHED: True, "synchronize_session": False}
"""Execution options of a write of columns that are not cached, whose rows the session does not hold."""

NOTED = {IS_NOTED: True}
"""Execution options of a statement whose writer tells of it, by `coherence.wrote`."""


class BulkWriteRefused(RuntimeError):
    """A bulk insert, update or delete of a cached model: it would bump no version and fence nothing."""


def init_app(app: Flask) -> None:
    """Refuse such writes to the database of `app`, whoever has its engine execute them."""
    with app.app_context():
        event.listen(db.engine, "before_execute", partial(_refuse, cache_of(app).kinds))


@event.listens_for(db.session, "do_orm_execute")
def _refuse_bulk_write(state: ORMExecuteState) -> None:
    """Refuse it before SQLAlchemy does for reasons of its own, which say less."""
    _refuse(get_cache().kinds, None, state.statement, None, None, state.execution_options)


def _refuse(
    kinds: Kinds, _connection: Any, statement: Any, _many: Any, _parameters: Any, options: Mapping[str, Any]
) -> None:
    if not getattr(statement, "is_dml", False) or IS_NOTED in options or CHANGES_NOTHING_CACHED in options:
        return
    # Equal, not the same: update(Model) carries an annotated copy of the model's table.
    written = [version.model for version, _ in kinds.by_version() if statement.table == version.model.__table__]
    if written and not is_flushing():
        raise BulkWriteRefused(
            f"A bulk insert, update or delete of {written[0].__name__} bumps no version and fences no cached entry. "
            "Change the objects one by one, or, if no column that is shown changes, say so with "
            f"execution_options({CHANGES_NOTHING_CACHED}=True)."
        )
