"""Where statements go: over the caller's connection, or one of the caller's pool."""

import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import AsyncRowFactory, scalar_row, tuple_row
from psycopg.types.json import set_json_loads

from pgchronicle._json import loads
from pgchronicle._statements import Statement
from pgchronicle.errors import ChronicleError, explained
from pgchronicle.models import ContextFields

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

AsyncConnection: TypeAlias = psycopg.AsyncConnection[Any]
_Row = TypeVar("_Row")


@dataclass(slots=True, eq=False)
class _Block:
    """A stretch of one transaction in which somebody acts."""

    said: ContextFields
    outer: "_Block | None"
    inner: "_Block | None" = None
    connection: AsyncConnection | None = None
    is_over: bool = False

    def end(self) -> None:
        """Also of the blocks within it: their connection is somebody else's now."""
        if self.outer is not None and self.outer.inner is self:
            self.outer.inner = None
        block: _Block | None = self
        while block is not None:
            block.connection, block.is_over = None, True
            block = block.inner


# The innermost block for each source. Tasks take it along from where they were started, and may
# outlive it.
_blocks: ContextVar[Mapping["AsyncSource", _Block]] = ContextVar(
    "pgchronicle_async_blocks", default=MappingProxyType({})
)


class AsyncSource:
    """A connection or a pool, which stays the caller's.

    Args:
        given: a psycopg connection, or a psycopg_pool connection pool; None: there is none, and
            whatever needs one is refused.

    Raises:
        TypeError: it is something else.
    """

    __slots__ = ("_given",)

    def __init__(self, given: "AsyncConnection | AsyncConnectionPool[Any] | None") -> None:
        if given is not None and not (
            isinstance(given, psycopg.AsyncConnection) or _is_pool(given)
        ):
            raise TypeError(
                "a psycopg.AsyncConnection or a psycopg_pool.AsyncConnectionPool is needed, "
                f"not {type(given).__qualname__}"
            )
        self._given = given

    @property
    def is_given(self) -> bool:
        return self._given is not None

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
        """The caller's connection, or that of the surrounding block, or one from the pool."""
        block = self._block()
        if isinstance(self._given, psycopg.AsyncConnection):
            yield self._given
        elif block is not None and block.inner is None and block.connection is not None:
            yield block.connection
        elif self._given is None:
            raise ChronicleError(
                "this client has a sink and no database",
                hint="Make it over a connection or a pool as well.",
            )
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
    async def block(self, said: ContextFields) -> AsyncGenerator[AsyncConnection]:
        """The same, and what the caller asks for within it goes over the one connection.

        A task that was started within a block is part of it. Where another task has gone further
        in, who acts there is not who acts here: a pool lends another connection then.

        Args:
            said: who acts in the block, in the words of the caller.

        Raises:
            ChronicleError: another task is within a block over the same connection.
        """
        outer = self._block()
        if outer is not None and outer.inner is not None:
            if isinstance(self._given, psycopg.AsyncConnection):
                raise ChronicleError(
                    "another task or thread is in a context over the same connection",
                    detail="Who acts would be mixed up: a transaction has one context at a time.",
                    hint="Give each its own connection, or make the client over a pool.",
                )
            outer = None
        async with self.transaction() as connection:
            block = _Block(said, outer, connection=connection)
            if outer is not None:
                outer.inner = block
            _blocks.set({**_blocks.get(), self: block})
            try:
                yield connection
            finally:
                block.end()
                # Not the token of the set: a framework may enter in one thread and leave in
                # another.
                blocks = {source: b for source, b in _blocks.get().items() if source is not self}
                _blocks.set(blocks if outer is None else {**blocks, self: outer})

    def said(self) -> ContextFields | None:
        """What was said at the beginning of the block in which the caller's next statement is."""
        block = self._block()
        return None if block is None or block.inner is not None else block.said

    def _block(self) -> _Block | None:
        """The innermost block around the caller that is not over."""
        block = _blocks.get().get(self)
        while block is not None and block.is_over:
            block = block.outer
        return block


def _is_pool(given: object) -> bool:
    # Who has a pool has imported it.
    module = sys.modules.get("psycopg_pool")
    return module is not None and isinstance(given, module.AsyncConnectionPool)
