"""Sessions that write, seal and publish until the server is gone, and keep what they were told."""

import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from random import Random

import psycopg

from ask import run
from faults.pace import PATIENCE_S
from sealing import Checkpoint, checkpoint, seal
from streaming import log
from support import Connection, Database

WRITERS = 4


@dataclass(slots=True)
class Told:
    """What the sessions know: the names of events whose commit was acknowledged, of those whose
    commit was asked for and not answered, and the checkpoints that were given out."""

    acknowledged: list[str] = field(default_factory=list[str])
    in_doubt: list[str] = field(default_factory=list[str])
    taken_back: list[str] = field(default_factory=list[str])
    published: list[Checkpoint] = field(default_factory=list[Checkpoint])


class Load:
    """Writers and one who seals and publishes, each in a thread, until the server is killed.

    Args:
        database: where.
        round_number: makes the names of this round's events.
        told: where they enter what they know.
    """

    def __init__(self, database: Database, round_number: int, told: Told) -> None:
        self._database = database
        self._round = round_number
        self._told = told
        self._changed = threading.Condition()
        self._is_ending = False
        self._is_over = False
        self._publishing = threading.Lock()

    def run_until(self, kill: Callable[[], None], checkpoints: int) -> None:
        """Runs it until so many checkpoints are given out, then kills under load.

        Args:
            kill: what ends the server; nobody seals meanwhile, but all write.
            checkpoints: how many are given out before.
        """
        enough = len(self._told.published) + checkpoints
        with ThreadPoolExecutor(WRITERS + 1) as threads:
            started = [threads.submit(self._until_the_end, self._publish)]
            started += [
                threads.submit(self._until_the_end, self._write, number)
                for number in range(WRITERS)
            ]
            try:
                with self._changed:
                    is_enough = self._changed.wait_for(
                        lambda: len(self._told.published) >= enough or _has_failed(started),
                        PATIENCE_S,
                    )
                assert is_enough, "nothing is published"
            finally:
                with self._publishing:
                    self._is_ending = True
                    try:
                        kill()
                    finally:
                        # Or they would write for ever if it fails.
                        self._is_over = True
        for each in started:
            each.result()

    def let_commit(self, events: int) -> None:
        """Waits until so many more events were acknowledged."""
        with self._changed:
            enough = len(self._told.acknowledged) + events
            assert self._changed.wait_for(
                lambda: len(self._told.acknowledged) >= enough, PATIENCE_S
            ), "nothing is committed"

    def _until_the_end(self, act: Callable[..., None], *arguments: object) -> None:
        try:
            act(*arguments)
        except psycopg.OperationalError:
            if not self._is_ending:
                raise
        finally:
            with self._changed:
                self._changed.notify_all()

    def _publish(self) -> None:
        with self._session("admin") as session:
            while True:
                with self._publishing:
                    if self._is_ending:
                        return
                    if seal(session, 50):
                        # In a later transaction than the seal.
                        self._told.published.append(checkpoint(session))
                with self._changed:
                    self._changed.notify_all()

    def _write(self, number: int) -> None:
        random = Random(number)
        with self._session("app") as session:
            for turn in count():
                if self._is_over:
                    return
                names = [f"{self._round}/{number}/{turn}/{n}" for n in range(random.randint(1, 3))]
                self._write_one(session, names, fails=random.random() < 0.1)

    def _write_one(self, session: Connection, names: list[str], *, fails: bool) -> None:
        """A transaction of logged events, each beside a row of a tracked table."""
        session.execute("begin")
        for name in names:
            log(session, name)
            run(session, "insert into public.item values (%s)", (name,))
        if fails:
            session.execute("rollback")
            self._told.taken_back += names
            return
        try:
            session.execute("commit")
        except psycopg.OperationalError:
            with self._changed:
                self._told.in_doubt += names
            raise
        with self._changed:
            self._told.acknowledged += names
            self._changed.notify_all()

    @contextmanager
    def _session(self, user: str) -> Generator[Connection]:
        with psycopg.connect(self._database.dsn(user), autocommit=True) as session:
            yield session


def _has_failed(started: list[Future[None]]) -> bool:
    return any(each.done() for each in started)
