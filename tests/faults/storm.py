"""Writers and readers let loose on one log.

Nobody waits for time to pass. Who holds a transaction open does so until others have committed and
every reader has looked; so what ends late was missed by whoever had read on.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from random import Random
from typing import Any

import psycopg

from faults.pace import PATIENCE_S, Pace
from faults.readers import Reader
from faults.writers import Ledger, Preparer, Writer
from streaming import take_id
from support import Database

WRITERS = 6


class Storm:
    """Writers and readers that run together until the writers are done and the readers find
    nothing more."""

    def __init__(self, database: Database, seed: int, readers: Sequence[Reader]) -> None:
        self.ledger = Ledger()
        self._database = database
        self._readers = readers
        self._pace = Pace(WRITERS, [reader.name for reader in readers])
        self._are_writers_done = threading.Event()
        self._is_over = threading.Event()
        random = Random(seed)
        self._preparer = Preparer(database, Random(random.random()), self._pace, self.ledger)
        self._writers = [
            Writer(
                database.connect("app", options=f"-c lock_timeout={PATIENCE_S}s"),
                number,
                Random(random.random()),
                self._pace,
                self.ledger,
                self._preparer,
            )
            for number in range(1, WRITERS + 1)
        ]

    def rage(self, transactions: int) -> None:
        """Runs it, each writer so many transactions."""
        with ThreadPoolExecutor(WRITERS + len(self._readers) + 2) as threads:

            def start(act: Callable[..., None], *arguments: Any) -> Future[None]:
                return threads.submit(self._watched, act, *arguments)

            reading = [start(self._read, reader) for reader in self._readers]
            writing = [start(writer.write, transactions) for writer in self._writers]
            others = [start(self._preparer.end_all), start(self._write_elsewhere)]
            wait(writing)
            self._preparer.finish()
            self._are_writers_done.set()
            wait(others)
            self._is_over.set()
            failures = [each.exception() for each in (*writing, *others, *reading)]
        for failure in failures:
            # Those who only heard of it have nothing to say.
            if failure is not None and not isinstance(failure, threading.BrokenBarrierError):
                raise failure

    def _watched(self, act: Callable[..., None], *arguments: Any) -> None:
        try:
            act(*arguments)
        except BaseException:
            self._pace.fail()
            self._is_over.set()
            raise

    def _read(self, reader: Reader) -> None:
        while True:
            is_last = self._is_over.is_set()
            came = reader.look()
            self._pace.look(reader.name)
            if is_last and not came:
                return

    def _write_elsewhere(self) -> None:
        """Now and then a transaction of another database holds the horizon back."""
        with psycopg.connect(self._database.cluster.dsn("postgres")) as session:
            while not self._are_writers_done.is_set():
                take_id(session)
                self._pace.let_readers_look(10)
                session.rollback()
                self._pace.let_readers_look(10)
