"""Where statements go: over the caller's connection, or one of the caller's pool."""

import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import AsyncRowFactory, scalar_row, tuple_row
from psycopg.types.json import set_json_loads

from pgchronicle._json import loads
from pgchronicle._statements import Statement
from pgchronicle.errors import explained

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

AsyncConnection: TypeAlias = psycopg.AsyncConnection[Any]
_Row = TypeVar("_Row")

# With a pool: the connection of the context that this thread or task is in, for each source.
_held: ContextVar[Mapping["AsyncSource", AsyncConnection]] = ContextVar(
    "pgchronicle_async_held", default=MappingProxyType({})
)


class AsyncSource:
    """A connection or a pool, which stays the caller's.

    Args:
        given: a psycopg connection, or a psycopg_pool connection pool.

    Raises:
        TypeError: it is something else.
    """

    __slots__ = ("_given",)

    def __init__(self, given: "AsyncConnection | AsyncConnectionPool[Any]") -> None:
        if not isinstance(given, psycopg.AsyncConnection) and not _is_pool(given):
            raise TypeError(
                "a psycopg.AsyncConnection or a psycopg_pool.AsyncConnectionPool is needed, "
                f"not {type(given).__qualname__}"
            )
        self._given = given

    async def run(self, statement: Statement) -> None:
        await self.rows(statement, tuple_row)

    async def value(self, statement: Statement) -> Any:
        """The value of a statement that gives one."""
        return await self.row(statement, scalar_row)

    async def row(
        self,
        statement: Statement,
        row_factory: AsyncRowFactory[_Row],
        connection: AsyncConnection | None = None,
    ) -> _Row:
        """The row of a statement that gives one."""
        (row,) = await self.rows(statement, row_factory, connection)
        return row

    async def rows(
        self,
        statement: Statement,
        row_factory: AsyncRowFactory[_Row],
        connection: AsyncConnection | None = None,
    ) -> list[_Row]:
        """All rows of a statement, over a connection that is given, or else one of its own."""
        if connection is None:
            async with self.connection() as connection:
                return await self.rows(statement, row_factory, connection)
        with explained():
            async with connection.cursor(row_factory=row_factory) as cursor:
                if statement.returns_json:
                    set_json_loads(loads, cursor)
                await cursor.execute(statement.query, statement.parameters)
                return await cursor.fetchall()

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[AsyncConnection]:
        """The caller's connection, or that of the surrounding context, or one from the pool."""
        held = _held.get().get(self)
        if held is not None:
            yield held
        elif isinstance(self._given, psycopg.AsyncConnection):
            yield self._given
        else:
            async with self._given.connection() as connection:
                yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncConnection]:
        """The same, within a transaction; where nobody would begin one, one of its own."""
        async with self.connection() as connection:
            status = connection.info.transaction_status
            if connection.autocommit and status == TransactionStatus.IDLE:
                async with connection.transaction():
                    yield connection
            else:
                yield connection

    @asynccontextmanager
    async def held_transaction(self) -> AsyncGenerator[AsyncConnection]:
        """The same, and all calls of this thread or task go over the one connection."""
        async with self.transaction() as connection:
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
    return module is not None and isinstance(given, module.AsyncConnectionPool)
