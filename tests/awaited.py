"""The client that is awaited, for tests that are written for the one that waits.

``AwaitedChronicle(connection)`` has the methods of ``Chronicle``, and each runs the coroutine of an
``AsyncChronicle`` over the same session: psycopg's connections are views of one of libpq's.
"""

import asyncio
import inspect
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import copy_context
from typing import Any, cast

import psycopg
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from pgchronicle import AsyncChronicle
from support import Connection

_Twin = psycopg.AsyncConnection[Any]

_loops: dict[int, asyncio.AbstractEventLoop] = {}
_twins: dict[Connection, _Twin] = {}


class AwaitedChronicle:
    """A client with the face of ``Chronicle``."""

    def __init__(self, source: Any = None, **options: Any) -> None:
        self._client = AsyncChronicle(_awaitable(source), **options)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*arguments: Any, **named: Any) -> Any:
            result = method(*arguments, **named)
            if inspect.isawaitable(result):
                return run(result)
            return _Iterated(result) if hasattr(result, "__aiter__") else _entered(result)

        return call


class _Iterated:
    """An iterator over what is iterated with ``async for``."""

    def __init__(self, awaited: Any) -> None:
        self._awaited = awaited

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return run(anext(self._awaited))
        except StopAsyncIteration:
            raise StopIteration from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._awaited, name)


@contextmanager
def _entered(block: Any) -> Generator[Any]:
    connection = run(block.__aenter__())
    waiting = next((c for c, twin in _twins.items() if twin is connection), None)
    try:
        yield waiting
    except BaseException as error:
        if not run(block.__aexit__(type(error), error, error.__traceback__)):
            raise
    else:
        run(block.__aexit__(None, None, None))


def run(awaitable: Any) -> Any:
    """What a coroutine gives, as if it had been awaited here: what it sets stays set."""

    async def awaited() -> Any:
        return await awaitable

    context = copy_context()
    loop = _loops.get(threading.get_ident())
    if loop is None:
        loop = _loops[threading.get_ident()] = asyncio.new_event_loop()
    coroutine: Coroutine[Any, Any, Any] = awaited()
    try:
        return loop.run_until_complete(loop.create_task(coroutine, context=context))
    finally:
        for variable, value in context.items():
            variable.set(value)


def close() -> None:
    """Ends what a test has left behind."""
    for loop in _loops.values():
        loop.close()
    _loops.clear()
    for connection in [each for each in _twins if each.closed]:
        del _twins[connection]


def _awaitable(source: Any) -> Any:
    match source:
        case psycopg.Connection():
            return _twin(cast("Connection", source))
        case ConnectionPool():
            return _Lender(cast("ConnectionPool[Connection]", source))
        case _:
            return source


def _twin(connection: Connection) -> _Twin:
    twin = _twins.get(connection)
    if twin is None:
        session = connection.pgconn
        # Each is one to a session, and stays with whom the test knows.
        handlers = session.notice_handler, session.notify_handler
        twin = _twins[connection] = psycopg.AsyncConnection(session)
        session.notice_handler, session.notify_handler = handlers
        # Both name their prepared statements by number.
        twin._prepared = connection._prepared  # pyright: ignore[reportPrivateUsage]
    twin._autocommit = connection.autocommit  # pyright: ignore[reportPrivateUsage]
    # The factories of both kinds of connection are typed apart, and are the same.
    twin.row_factory = connection.row_factory  # type: ignore[assignment]  # pyright: ignore
    return twin


class _Lender(AsyncConnectionPool[_Twin]):
    """A pool that lends the connections of another."""

    def __init__(self, pool: ConnectionPool[Connection]) -> None:
        self._lent = pool

    @asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncGenerator[_Twin]:
        with self._lent.connection(timeout) as connection:
            yield _twin(connection)

    def __del__(self) -> None:
        """There is nothing to end."""
