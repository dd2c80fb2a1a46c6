"""The row of a drive: locked and read in one statement, written in one. Works in `db.session`; routes and tasks commit.

No objects of the ORM: to load, track and flush one takes as long as everything else that an upload does. What is
written here is noted (`coherence.wrote`), so that the COMMIT fences and publishes it as it does everything else.
"""

from functools import cache
from types import SimpleNamespace
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, bindparam, insert, select, update

from webapp.cache import coherence
from webapp.cache.kinds import Change
from webapp.cache.unnoted import NOTED
from webapp.clock import utcnow
from webapp.database import db, timeline_column
from webapp.driving import append_rows
from webapp.models import DrivingSession
from webapp.statements import Statement

_TABLE = DrivingSession.__table__
_ID = _TABLE.c.id == bindparam("of_id")
_INSERT = insert(DrivingSession)


Values = dict[str, Any]


class SessionRow(SimpleNamespace):
    """A row of `driving_sessions` as a transaction has read it, and maybe written: its columns are attributes."""


def lock(session_id: str, user_id: str) -> SessionRow | None:
    """Return a driver's session, locked until the end of the transaction. None: the driver has no such session.

    Whose it is stands in the query: nobody may lock, and so hold up, somebody else's row.
    """
    connection = db.session.connection()
    found = _own(connection.dialect.name).run(connection, {"of_id": session_id, "of_user": user_id})
    return _locked(SessionRow(**found[0])) if found else None


def lock_for_worker(session_id: str, *conditions: ColumnElement[bool], waits: bool = True) -> SessionRow | None:
    """Return a session locked, if it fulfils the conditions. Unless it `waits`, one that somebody works on is left."""
    connection = db.session.connection()
    query = _locking(connection.dialect.name).with_for_update(key_share=True, skip_locked=not waits, of=_TABLE)
    found = connection.execute(query.where(*conditions), {"of_id": session_id}).first()
    return _locked(_taken(found)) if found is not None else None


def read(*conditions: ColumnElement[bool]) -> list[SessionRow]:
    """Return the sessions that fulfil conditions, not locked."""
    return [_taken(row) for row in db.session.connection().execute(select(*_TABLE.c).where(*conditions))]


def add(row: SessionRow) -> None:
    """Insert a session, at version 1. Raises IntegrityError when another one is in its place."""
    row.version = 1
    db.session.connection().execute(_INSERT, vars(row), execution_options=NOTED)
    coherence.wrote(db.session(), DrivingSession, Change(row, None))


def write(row: SessionRow, values: Values, appended: Values | None = None) -> None:
    """Write columns of a locked row, whose version rises; and append readings to it, in the same round trip."""
    values = {**values, "version": row.version + 1, "updated_at": utcnow()}
    _write(row, values, appended)
    coherence.wrote(db.session(), DrivingSession, Change(row, values.keys()))


def write_unseen(row: SessionRow, **values: Any) -> None:
    """Write columns of a locked row that nobody is shown: no version rises."""
    _write(row, {**values, "updated_at": row.updated_at})


def _write(row: SessionRow, values: Values, appended: Values | None = None) -> None:
    statement = _updating(frozenset(values), with_appended=appended is not None)
    statement.run(db.session.connection(), {"of_id": row.id, **values, **(appended or {})})
    vars(row).update(values)


@cache
def _own(dialect: str) -> Statement:
    query = _locking(dialect).where(_TABLE.c.user_id == bindparam("of_user"))
    return Statement(query.with_for_update(key_share=True, of=_TABLE))


def _locking(dialect: str) -> Select[Any]:
    # The timeline of the database is read by the way: the COMMIT needs it.
    return select(*_TABLE.c, timeline_column(dialect).label("timeline")).where(_ID)


@cache
def _updating(columns: frozenset[str], *, with_appended: bool) -> Statement:
    written = update(DrivingSession).where(_ID).values({name: bindparam(name) for name in sorted(columns)})
    return Statement(written, append_rows.INSERT if with_appended else None, NOTED)


def _locked(row: SessionRow) -> SessionRow:
    """Take the timeline, which is not the row's, out of a row that was locked, and note it."""
    coherence.read_under(db.session(), vars(row).pop("timeline"))
    return row


def _taken(found: Row[Any]) -> SessionRow:
    return SessionRow(**found._mapping)
