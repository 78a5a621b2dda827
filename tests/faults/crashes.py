"""A server that is killed under load, outright, and started again."""

import os
import signal
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from ask import values
from pgchronicle import embedded
from pgchronicle.embedded.homes import DATA
from streaming import SETTINGS
from support import Cluster, Connection

_SETTINGS: Mapping[str, str | int | float | bool] = {
    **SETTINGS,
    # Processes are killed, not the machine: what was written survives, on the disk or not.
    "fsync": False,
    "full_page_writes": False,
    # Nobody but who commits is to write the write-ahead log: others find room enough, or come late.
    "wal_writer_delay": "10s",
    "wal_buffers": "16MB",
    "bgwriter_lru_maxpages": 0,
    "checkpoint_timeout": "1h",
    "max_wal_size": "4GB",
}

_CHILDREN = "select pid from pg_stat_activity"
_SLEEPING_WAL_WRITER = """
    select pid from pg_stat_activity
    where backend_type = 'walwriter' and wait_event = 'WalWriterMain'
"""


class CrashingServer:
    """A server whose write-ahead log is written by commits alone: the process that would do so
    later is stopped. What a commit does not wait for is lost when the server is killed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._wal_writer = 0
        self._server = embedded.Server(datadir=directory, settings=_SETTINGS)
        self._start()

    @property
    def cluster(self) -> Cluster:
        """The server as it runs now."""
        return Cluster(self._server.host, self._server.port, "postgres", None)

    def crash(self) -> None:
        """Kills every process of the server at once, and starts it again."""
        with psycopg.connect(self.cluster.dsn("postgres")) as session:
            children: list[int] = values(session, _CHILDREN)
        for pid in (self._postmaster(), *children):
            # A session may have ended by itself.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._server.stop()
        self._start()

    def stop(self) -> None:
        """Stops it for good."""
        with suppress(ProcessLookupError):
            os.kill(self._wal_writer, signal.SIGCONT)
        self._server.stop()

    def _start(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                self._server.start()
                break
            except embedded.EmbeddedError:
                # A process that was killed may hold the memory that they shared a moment longer.
                if time.monotonic() > deadline:
                    raise
        with psycopg.connect(self.cluster.dsn("postgres"), autocommit=True) as session:
            while not self._stop_wal_writer(session):
                assert time.monotonic() < deadline, "the writer of the log does not come to rest"

    def _stop_wal_writer(self, session: Connection) -> bool:
        """Whether it could be stopped while it sleeps. Elsewhere it may hold locks."""
        for pid in values(session, _SLEEPING_WAL_WRITER):
            self._wal_writer = pid
            os.kill(pid, signal.SIGSTOP)
            if values(session, _SLEEPING_WAL_WRITER):
                return True
            os.kill(pid, signal.SIGCONT)
        return False

    def _postmaster(self) -> int:
        file = self._directory / DATA / "postmaster.pid"
        return int(file.read_text().splitlines()[0])


@contextmanager
def crashing_server(directory: Path) -> Generator[CrashingServer]:
    """A server to be killed, in a directory of its own."""
    server = CrashingServer(directory)
    try:
        yield server
    finally:
        server.stop()
