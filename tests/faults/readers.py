"""Who reads a log while others write it: by the stream, and in ways that lose events."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import islice
from typing import Any
from uuid import UUID

from psycopg import IsolationLevel
from psycopg_pool import ConnectionPool

from ask import run
from pgchronicle import Chronicle
from streaming import Consumer, log
from support import Connection

Connect = Callable[[], Connection]
"""Opens a session for a reader."""


class Reader(ABC):
    """Reads again and again what has come since, and keeps what came."""

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def look(self) -> bool:
        """Reads once; whether anything came."""


class StreamReader(Reader):
    """Reads by the stream, a few events at a time; goes away now and then, and begins again where
    it was.

    Args:
        connect: opens its session; each time it looks is a transaction.
        limit: how many events it takes at a time.
        isolation: of its transactions.
        logs: how many times it logs in the transaction in which it reads, before that and after;
            what it logged is in ``logged``.
    """

    def __init__(
        self,
        connect: Connect,
        limit: int,
        isolation: IsolationLevel = IsolationLevel.READ_COMMITTED,
        *,
        logs: int = 0,
    ) -> None:
        super().__init__(f"stream by {limit}")
        self.came: list[Any] = []
        self.logged: list[UUID] = []
        self._logs = logs
        self._connect = connect
        self._limit = limit
        self._isolation = isolation
        self._cursor: str | None = None
        self._looks = 0
        self._session = self._open()

    def look(self) -> bool:
        if self._looks % 25 == 24:
            self._session.close()
            self._session = self._open()
        self._looks += 1
        consumer = Consumer(self._session, self._limit, self._cursor)
        is_logging = self._looks <= self._logs
        if is_logging:
            self.logged.append(log(self._session, self.name))
        found = consumer.poll()
        if is_logging:
            self.logged.append(log(self._session, self.name))
            found += consumer.poll()
        self._session.commit()
        self._cursor = consumer.cursor
        self.came += found
        return bool(found)

    def _open(self) -> Connection:
        session = self._connect()
        session.isolation_level = self._isolation
        return session


class ClientReader(Reader):
    """Reads with the iterator of the Python client, over a pool; begins another where one ended."""

    def __init__(self, pool: ConnectionPool[Connection], batch_size: int) -> None:
        super().__init__(f"client by {batch_size}")
        self.came: list[UUID] = []
        self._log = Chronicle(pool)
        self._batch_size = batch_size
        self._cursor: str | None = None

    def look(self) -> bool:
        stream = self._log.events_since(self._cursor, batch_size=self._batch_size)
        # Where it is left may be in the middle of a batch.
        found = [event.event_id for event in islice(stream, 2 * self._batch_size + 1)]
        self._cursor = stream.cursor
        self.came += found
        return bool(found)


class ColumnReader(Reader):
    """Reads what lies above the highest value of a column that it has seen. It loses what is
    committed late."""

    def __init__(self, session: Connection, column: str) -> None:
        super().__init__(f"by {column}")
        self.came: set[UUID] = set()
        self._session = session
        self._column = column
        self._highest: object = None

    def look(self) -> bool:
        statement = f"select event_id, {self._column} from chronicle.events"
        if self._highest is not None:
            statement += f" where {self._column} > %s"
        parameters = None if self._highest is None else (self._highest,)
        found = run(self._session, f"{statement} order by {self._column}", parameters).fetchall()
        if found:
            self._highest = found[-1][1]
        self.came.update(event_id for event_id, _ in found)
        return bool(found)
