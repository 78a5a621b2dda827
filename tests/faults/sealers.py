"""Who seals a log while others write it, one of them never for long; and who looks after them."""

from collections.abc import Callable
from contextlib import suppress
from itertools import cycle
from typing import Any

import psycopg

from ask import value
from faults.readers import Reader
from sealing import Checkpoint, check_consistent, checkpoint, findings, seal
from support import Connection


class Sealer(Reader):
    """Seals again and again, each time in a transaction.

    Args:
        session: in which it seals; it commits each statement.
        limit: how many events it takes at a time.
    """

    def __init__(self, session: Connection, limit: int) -> None:
        super().__init__(f"sealer by {limit}")
        self._session = session
        self._limit = limit

    def look(self) -> bool:
        return seal(self._session, self._limit) > 0


class DoomedSealer(Reader):
    """Seals in sessions that are terminated: before they commit, while they seal, or while they
    commit. Every fourth is left to commit.

    Args:
        connect: opens a session for it.
        superuser: terminates it.
        limit: how many events it takes at a time.
    """

    def __init__(
        self, connect: Callable[[], Connection], superuser: Connection, limit: int
    ) -> None:
        super().__init__("doomed sealer")
        self.deaths = 0
        self._connect = connect
        self._superuser = superuser
        self._limit = limit
        self._fates = cycle(("before", "within", "at its end", "lives"))

    def look(self) -> bool:
        session = self._connect()
        fate = next(self._fates)
        if fate == "within":
            _send(session, f"select chronicle.seal_events({self._limit})")
        else:
            seal(session, self._limit)
        if fate == "at its end":
            _send(session, "commit")
        if fate == "lives":
            session.commit()
        else:
            self._terminate(session)
        session.close()
        # Whatever is left, the other comes to it.
        return False

    def _terminate(self, session: Connection) -> None:
        # Not waited for: that would take a tenth of a second each time.
        assert value(
            self._superuser, "select pg_terminate_backend(%s)", (session.info.backend_pid,)
        )
        self.deaths += 1


class Declarer(Reader):
    """Begins an epoch whenever nobody is writing.

    Args:
        session: an administrator's; it commits each statement.
    """

    def __init__(self, session: Connection) -> None:
        super().__init__("declarer")
        self.epochs = 0
        self._session = session

    def look(self) -> bool:
        with suppress(psycopg.errors.LockNotAvailable):
            self._session.execute("select chronicle.begin_epoch('a storm')")
            self.epochs += 1
        return False


class Witness(Reader):
    """Verifies the log as it grows, and that it has grown out of what it was at the last look.

    Args:
        session: an auditor's; it commits each statement.
    """

    def __init__(self, session: Connection) -> None:
        super().__init__("witness")
        self.seen: list[Checkpoint] = []
        self.findings: list[Any] = []
        self._session = session

    def look(self) -> bool:
        self.findings += findings(self._session)
        now = checkpoint(self._session)
        if self.seen and now == self.seen[-1]:
            return False
        if self.seen:
            check_consistent(self._session, self.seen[-1])
        self.seen.append(now)
        return True


def _send(session: Connection, statement: str) -> None:
    """Sends a statement and waits for no answer."""
    session.pgconn.send_query(statement.encode())
