"""Statements that are compiled once and run on the driver's own cursor: half of what Core's `execute` takes.

For the few statements that an upload consists of. Types, placeholders and errors are SQLAlchemy's, so the same
statement runs on PostgreSQL and on SQLite; what is left out is what Core does anew for each execution.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect, Insert, Select, Update

Processor = Callable[[Any], Any]


class Compiled(NamedTuple):
    """A statement as a driver takes it: its text, how its parameters are made, and what comes of its columns.

    order: the names of the parameters, where the driver counts them; None where it calls them by name.
    """

    text: str
    binds: Mapping[str, Processor | None]
    order: Sequence[str] | None
    results: Sequence[tuple[str, Processor | None]]

    def bound(self, parameters: Mapping[str, Any]) -> Any:
        """Return what the driver is given."""
        given = {
            name: process(parameters[name]) if process else parameters[name] for name, process in self.binds.items()
        }
        return given if self.order is None else [given[name] for name in self.order]

    def row(self, values: Sequence[Any]) -> dict[str, Any]:
        """Return the columns of a row by their names."""
        columns = zip(self.results, values, strict=True)
        return {name: process(value) if process else value for (name, process), value in columns}


class Statement:
    """A statement whose parameters all have names. `first` is one that is done before it.

    `options` are its execution options. Whoever watches what an engine executes is asked once, before the first time.
    """

    def __init__(
        self,
        statement: Select[Any] | Insert | Update,
        first: Insert | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._statement, self._first, self._options = statement, first, options or {}
        self._compiled: dict[Dialect, list[Compiled]] = {}

    def run(self, connection: Connection, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Run the statement, on PostgreSQL with the first one in one round trip. Return the rows of a SELECT.

        Raises SQLAlchemy's errors.
        """
        rows: list[dict[str, Any]] = []
        if connection.dialect not in self._compiled:
            self._announce(connection)
            self._compiled[connection.dialect] = self._for(connection.dialect)
        for compiled in self._compiled[connection.dialect]:
            rows = [compiled.row(values) for values in _execute(connection, compiled, parameters)]
        return rows

    def _announce(self, connection: Connection) -> None:
        """Let the engine's listeners refuse what is about to be executed, as Core does."""
        for statement in [each for each in (self._first, self._statement) if each is not None]:
            for listener in connection.dispatch.before_execute:
                listener(connection, statement, (), {}, self._options)

    def _for(self, dialect: Dialect) -> list[Compiled]:
        if self._first is None:
            return [_compile(self._statement, dialect)]
        if dialect.name == "postgresql":
            return [_compile(self._statement.add_cte(self._first.cte("first")), dialect)]
        return [_compile(self._first, dialect), _compile(self._statement, dialect)]


def _compile(statement: Any, dialect: Dialect) -> Compiled:
    compiled = statement.compile(dialect=dialect)
    columns = statement.selected_columns if isinstance(statement, Select) else ()
    return Compiled(
        compiled.string,
        {name: bind.type.dialect_impl(dialect).bind_processor(dialect) for name, bind in compiled.binds.items()},
        compiled.positiontup if compiled.positional else None,
        [(str(column.key), column.type.dialect_impl(dialect).result_processor(dialect, None)) for column in columns],
    )


def _execute(connection: Connection, compiled: Compiled, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
    given = compiled.bound(parameters)
    driver: Any = connection.connection.dbapi_connection
    is_watched = connection._has_events or connection.engine._has_events
    if is_watched:
        connection.dispatch.before_cursor_execute(connection, None, compiled.text, given, None, False)
    try:
        cursor = driver.execute(compiled.text, given)
        found: Sequence[Sequence[Any]] = cursor.fetchall() if compiled.results else ()
    except connection.dialect.loaded_dbapi.Error as error:
        # As Core does: with the listeners to errors, and with a pool that begins anew when the server is gone.
        connection._handle_dbapi_exception(error, compiled.text, None, None, None)
        raise
    if is_watched:
        connection.dispatch.after_cursor_execute(connection, cursor, compiled.text, given, None, False)
    return found
