# Made from _async_source.py by tools/unasync.py: change that, and run `make unasync`.
"""Where statements go: over the caller's connection, or one of the caller's pool."""

import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import RowFactory, scalar_row, tuple_row
from psycopg.types.json import set_json_loads

from pgchronicle._json import loads
from pgchronicle._statements import Statement
from pgchronicle.errors import explained

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

Connection: TypeAlias = psycopg.Connection[Any]
_Row = TypeVar("_Row")

# With a pool: the connection of the context that this thread or task is in, for each source.
_held: ContextVar[Mapping["Source", Connection]] = ContextVar(
    "pgchronicle_held", default=MappingProxyType({})
)


class Source:
    """A connection or a pool, which stays the caller's.

    Args:
        given: a psycopg connection, or a psycopg_pool connection pool.

    Raises:
        TypeError: it is something else.
    """

    __slots__ = ("_given",)

    def __init__(self, given: "Connection | ConnectionPool[Any]") -> None:
        if not isinstance(given, psycopg.Connection) and not _is_pool(given):
            raise TypeError(
                "a psycopg.Connection or a psycopg_pool.ConnectionPool is needed, "
                f"not {type(given).__qualname__}"
            )
        self._given = given

    def run(self, statement: Statement) -> None:
        self.rows(statement, tuple_row)

    def value(self, statement: Statement) -> Any:
        """The value of a statement that gives one."""
        return self.row(statement, scalar_row)

    def row(
        self,
        statement: Statement,
        row_factory: RowFactory[_Row],
        connection: Connection | None = None,
    ) -> _Row:
        """The row of a statement that gives one."""
        (row,) = self.rows(statement, row_factory, connection)
        return row

    def rows(
        self,
        statement: Statement,
        row_factory: RowFactory[_Row],
        connection: Connection | None = None,
    ) -> list[_Row]:
        """All rows of a statement, over a connection that is given, or else one of its own."""
        if connection is None:
            with self.connection() as connection:
                return self.rows(statement, row_factory, connection)
        with explained(), connection.cursor(row_factory=row_factory) as cursor:
            if statement.returns_json:
                set_json_loads(loads, cursor)
            cursor.execute(statement.query, statement.parameters)
            return cursor.fetchall()

    @contextmanager
    def connection(self) -> Generator[Connection]:
        """The caller's connection, or that of the surrounding context, or one from the pool."""
        held = _held.get().get(self)
        if held is not None:
            yield held
        elif isinstance(self._given, psycopg.Connection):
            yield self._given
        else:
            with self._given.connection() as connection:
                yield connection

    @contextmanager
    def transaction(self) -> Generator[Connection]:
        """The same, within a transaction; where nobody would begin one, one of its own."""
        with self.connection() as connection:
            status = connection.info.transaction_status
            if connection.autocommit and status == TransactionStatus.IDLE:
                with connection.transaction():
                    yield connection
            else:
                yield connection

    @contextmanager
    def held_transaction(self) -> Generator[Connection]:
        """The same, and all calls of this thread or task go over the one connection."""
        with self.transaction() as connection:
            held = _held.get()
            if self in held:
                yield connection
                return
            _held.set({**held, self: connection})
            try:
                yield connection
            finally:
                # Not the token of the set: a framework may enter in one thread and leave in
                # another.
                _held.set({source: c for source, c in _held.get().items() if source is not self})


def _is_pool(given: object) -> bool:
    # Who has a pool has imported it.
    module = sys.modules.get("psycopg_pool")
    return module is not None and isinstance(given, module.ConnectionPool)
