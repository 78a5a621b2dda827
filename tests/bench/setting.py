"""Where measuring takes place: a server of its own, migrated by an ordinary owner, written to by an
ordinary application."""

import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from pgchronicle.embedded import Server
from pgchronicle.migrate import migrate

Connection = psycopg.Connection[TupleRow]

INSTALLER = "installer"
"""Owns the database and the tables; anything but a superuser."""

APPLICATION = "application"
"""Logs events and changes rows; a member of chronicle_app."""

DATABASE = "bench"
"""Holds the log and, in the schema bench, what it is compared with."""

# What runs at times of its own would fall upon some rounds only.
_SETTINGS: Mapping[str, str | int | bool] = {
    "autovacuum": False,
    "checkpoint_timeout": "1h",
    "max_wal_size": "8GB",
    # So would the whole pages that are written at their first change after a checkpoint.
    "full_page_writes": False,
    "shared_buffers": "256MB",
    "jit": False,
}


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is done in one turn of a round."""

    statements: int = 600
    rows_of_one_statement: int = 10_000
    large_statements: int = 4
    pgbench_scale: int = 4
    pgbench_length: tuple[str, str] = ("-T", "1")
    events: int = 5_000_000
    streamed_events: int = 200_000
    sealed_events: int = 100_000


TINY = Sizes(
    statements=20,
    rows_of_one_statement=50,
    large_statements=1,
    pgbench_scale=1,
    pgbench_length=("-t", "5"),
    events=20_000,
    streamed_events=2_000,
    sealed_events=1_000,
)
"""Enough to see that everything runs; the figures mean nothing."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A running server with a migrated database; and whether packages may be installed to compare
    with."""

    server: Server
    rounds: int
    sizes: Sizes
    has_packages: bool

    def connect(self, user: str, database: str = DATABASE) -> Connection:
        """A session in which every statement commits by itself and no commit waits for the disk."""
        dsn = self.server.dsn(database, user)
        connection = psycopg.connect(dsn, autocommit=True)
        connection.execute("set synchronous_commit to off")
        return connection

    def execute_as_superuser(self, *statements: LiteralString) -> None:
        """Does what the other two may not."""
        with psycopg.connect(self.server.dsn(DATABASE), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def make_database(self, name: str) -> None:
        """Makes another database of the installer's."""
        with psycopg.connect(self.server.dsn(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("create database {} owner {}").format(
                    sql.Identifier(name), sql.Identifier(INSTALLER)
                )
            )

    def environment(self, user: str, database: str = DATABASE) -> dict[str, str]:
        """The environment with which pgbench reaches a database."""
        return self.server.environment(database, user)

    def server_version(self) -> str | None:
        """The server's version in its own words."""
        with self.connect(INSTALLER) as connection:
            return connection.info.parameter_status("server_version")


@contextmanager
def open_setting(rounds: int, sizes: Sizes, *, has_packages: bool) -> Generator[Setting]:
    """Makes the setting, and removes it in the end.

    The server writes to the disk as in production, so that what a commit waits for is there.
    """
    with tempfile.TemporaryDirectory(prefix="pgchronicle_bench-") as directory:
        # The account that runs the server for root must get through.
        Path(directory).chmod(0o711)
        with Server(datadir=Path(directory) / "cluster", settings=_SETTINGS) as server:
            _prepare(server)
            yield Setting(server, rounds, sizes, has_packages)


def _prepare(server: Server) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as superuser:
        superuser.execute(f"create role {INSTALLER} login createrole")
        superuser.execute(f"create database {DATABASE} owner {INSTALLER}")
        migrate(server.dsn(DATABASE, INSTALLER))
        superuser.execute(f"create role {APPLICATION} login in role chronicle_app")
    with psycopg.connect(server.dsn(DATABASE, INSTALLER), autocommit=True) as owner:
        owner.execute("create schema bench")
        owner.execute(f"grant usage on schema bench to {APPLICATION}")
