"""Running a prepared statement many times in one session, by the clock of its backend.

Statements go out in pipelines, so that what a round trip costs is not part of both sides.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum

from psycopg import sql

from .clocks import backend_clock
from .setting import Connection

Rows = Sequence[Sequence[object]]


class Transactions(StrEnum):
    """How many statements a transaction has. The first of a transaction pays for what the server
    keeps until its end."""

    SHARED = "one for all"
    OWN = "each its own"


class TimedSession:
    """A session that says how long what it runs has taken."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._clock = backend_clock(connection.info.backend_pid)

    def run(
        self,
        statement: sql.Composed,
        rows: Rows,
        transactions: Transactions,
        *,
        first: Callable[[Connection], object] = lambda _: None,
    ) -> float:
        """Runs a statement once with each row of parameters; gives the microseconds of one.

        Args:
            statement: what is run.
            rows: its parameters.
            transactions: how many there are.
            first: what a shared transaction begins with, unmeasured.
        """
        if transactions == Transactions.OWN:
            start = self._clock()
            self._run_alone(statement, rows)
            return self._since(start, rows)
        with self._connection.transaction(), self._connection.cursor() as cursor:
            first(self._connection)
            start = self._clock()
            cursor.executemany(statement, rows)
            return self._since(start, rows)

    def _run_alone(self, statement: sql.Composed, rows: Rows) -> None:
        with self._connection.pipeline() as pipeline, self._connection.cursor() as cursor:
            for row in rows:
                cursor.execute(statement, row, prepare=True)
                # Where the server is asked to synchronize, it commits.
                pipeline.sync()

    def _since(self, start: float, rows: Rows) -> float:
        return (self._clock() - start) / len(rows) * 1e6
