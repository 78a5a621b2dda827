"""What tests use beside the fixtures: the cluster, its roles, a database, and acting as somebody
else."""

import os
import traceback
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from pgchronicle import embedded
from pgchronicle.migrate import MigrationError, migrate

Connection = psycopg.Connection[TupleRow]

ROOT = Path(__file__).resolve().parent.parent

NAMELESS = 54321
"""A user id that no system gives a name to."""

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

INSTALLER = "installer"
"""Owns the databases and may create roles; anything but a superuser."""

MEMBERSHIPS = {
    "app": "chronicle_app",
    "reader_a": "chronicle_reader",
    "reader_b": "chronicle_reader",
    "root_reader": "chronicle_reader",
    "auditor": "chronicle_auditor",
    "admin": "chronicle_admin",
}
"""Login roles, and the one role of ours that each is a member of."""

OUTSIDERS = ("shopkeeper", "stranger")
"""Login roles with no role of ours: the first owns the schema shop, the second has nothing."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The server that the tests run on."""

    host: str
    port: int
    superuser: str
    password: str | None

    def dsn(self, dbname: str, user: str | None = None, **parameters: Any) -> str:
        """A connection string; without a user, the superuser's."""
        return make_conninfo(
            host=self.host,
            port=self.port,
            dbname=dbname,
            user=user or self.superuser,
            password=self.password,
            **parameters,
        )

    def execute(self, statement: LiteralString, *names: str, dbname: str = "postgres") -> None:
        """Runs one statement as the superuser; each ``{}`` in it is a name, to be quoted."""
        with psycopg.connect(self.dsn(dbname), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def make_role(self, name: str, attributes: LiteralString = "login") -> None:
        """Makes a role unless it is there. A role outlives the test that makes it."""
        statement = sql.SQL("create role {} {} password {}").format(
            sql.Identifier(name), sql.SQL(attributes), sql.Literal(self.password)
        )
        # The second error is what a session sees whose rival has just made the role.
        made = suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation)
        with made, psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def program(self, name: str) -> Path:
        """The path of a client program: psql, pgbench or pg_dump."""
        return embedded.find_program(name)


@dataclass(slots=True)
class Database:
    """A database that a test has for itself."""

    cluster: Cluster
    name: str
    _connections: list[Connection] = field(default_factory=list[Connection], repr=False)

    def dsn(self, user: str = INSTALLER, **parameters: Any) -> str:
        """A connection string for one of the login roles."""
        return self.cluster.dsn(self.name, user, **parameters)

    def connect(self, user: str = INSTALLER, **options: Any) -> Connection:
        """A new session of one of the login roles; it is closed when the test ends."""
        connection = psycopg.connect(self.dsn(user), **options)
        self._connections.append(connection)
        return connection

    def environment(self, user: str = INSTALLER) -> dict[str, str]:
        """The environment with which psql, pgbench, pg_dump or yoyo reach this database."""
        password = {"PGPASSWORD": self.cluster.password} if self.cluster.password else {}
        return (
            os.environ
            | password
            | {
                "PGHOST": self.cluster.host,
                "PGPORT": str(self.cluster.port),
                "PGDATABASE": self.name,
                "PGUSER": user,
            }
        )

    def close(self) -> None:
        """Closes every session that ``connect`` has opened."""
        while self._connections:
            self._connections.pop().close()


class SharedDatabase(Database):
    """The database of the fixture ``db``, in which nothing is ever committed."""

    def only_connection(self) -> Connection:
        """The one session, or another when a test has broken it."""
        while self._connections and self._connections[-1].closed:
            self._connections.pop()
        if not self._connections:
            # A superuser's session that plays the installer: only such a one may change hands.
            connection = self.connect(self.cluster.superuser, autocommit=True)
            connection.execute("set session authorization installer")
        return self._connections[-1]


def make_template(cluster: Cluster, name: str) -> None:
    """Makes a migrated database of which others are clones, and the roles that tests log in as."""
    cluster.make_role(INSTALLER, "login createrole")
    cluster.execute("create database {} owner {}", name, INSTALLER)
    try:
        migrate(cluster.dsn(name, INSTALLER))
    except MigrationError as error:
        pytest.fail(f"the template cannot be migrated: {error}", pytrace=False)
    for role, granted in MEMBERSHIPS.items():
        cluster.make_role(role)
        cluster.execute("grant {} to {}", granted, role)
    for role in OUTSIDERS:
        cluster.make_role(role)
    cluster.execute("create schema shop authorization shopkeeper", dbname=name)
    # A session in it would stop others from making clones.
    cluster.execute("alter database {} allow_connections false", name)


def lent(database: Database) -> Iterator[Database]:
    """What a fixture yields from: a database that is closed and dropped in the end."""
    yield database
    database.close()
    database.cluster.execute("drop database {} with (force)", database.name)


@contextmanager
def acting_as(connection: Connection, role: str) -> Generator[Connection]:
    """Within a transaction of the fixture ``db``, the session of another role.

    It is the session that changes hands, not only the current role, so ``session_user`` is the role
    as well.
    """
    with connection.cursor() as cursor:
        before = cursor.execute("select session_user").fetchone()
        assert before is not None
        cursor.execute(sql.SQL("set local session authorization {}").format(sql.Identifier(role)))
    yield connection
    # After an error the surrounding savepoint takes it back.
    if connection.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS:
        connection.execute(
            sql.SQL("set local session authorization {}").format(sql.Identifier(before[0]))
        )


def in_a_child(task: Callable[[], None], *, uid: int | None = None) -> None:
    """Runs a task in a process of its own, as somebody else if asked, and passes on its failure.

    A fork, because the interpreter may be installed where that user cannot read it.
    """
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Newer versions of Python warn of threads, which the child does not use.
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        status = 1
        try:
            if uid is not None:
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)
            task()
            status = 0
        except BaseException:
            os.write(writer, traceback.format_exc().encode())
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as failure:
        text = failure.read()
    os.waitpid(child, 0)
    assert not text, text
