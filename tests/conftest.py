"""One server a run, one migrated template a run, a clone of it for each test that needs one.

The server is an embedded PostgreSQL 18, the one that PG_BIN names, or with --postgresql-host one
that runs already. The template is made by ``migrate`` as a database owner who is not a superuser,
as most installations are.

``db`` is a session whose work is always rolled back, and costs next to nothing. ``database`` is a
whole database, for what commits, for several sessions and for programs. ``empty_database`` is one
in which nothing is installed yet.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from itertools import count

import psycopg
import pytest

from pgchronicle import embedded
from support import (
    INSTALLER,
    Cluster,
    Connection,
    Database,
    SharedDatabase,
    lent,
    make_template,
)

_CLUSTER = pytest.StashKey[Cluster]()
_RUN = pytest.StashKey[str]()
_SERVER = pytest.StashKey[embedded.Server]()

# Any number: whoever holds it is building the template.
_TEMPLATE_LOCK = 7_418_250

# How many tests one database of ``db`` sees.
_USES = 50


def pytest_configure(config: pytest.Config) -> None:
    # What a developer's shell says about PostgreSQL must not reach the tests.
    for name in list(os.environ):
        if name.startswith("PG") and name != "PG_BIN":
            del os.environ[name]
    worker: dict[str, object] | None = getattr(config, "workerinput", None)
    if worker is not None:
        # xdist hands over what pytest_configure_node put there, as plain objects without types.
        config.stash[_CLUSTER] = Cluster(*worker["cluster"])  # type: ignore[misc]
        config.stash[_RUN] = str(worker["run"])


def pytest_sessionstart(session: pytest.Session) -> None:
    config = session.config
    if _CLUSTER in config.stash or config.option.collectonly:
        return
    host = config.option.postgresql_host
    if host:
        user = config.option.postgresql_user or config.getini("postgresql_user")
        port = int(config.option.postgresql_port or 5432)
        cluster = Cluster(host, port, user, config.option.postgresql_password)
    else:
        server = config.stash[_SERVER] = embedded.Server().start()
        cluster = Cluster(server.host, server.port, "postgres", None)
    config.stash[_CLUSTER] = cluster
    config.stash[_RUN] = uuid.uuid4().hex[:8]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Tells a worker of pytest-xdist about the server."""
    config: pytest.Config = getattr(node, "config")  # noqa: B009  xdist comes without types
    cluster = config.stash[_CLUSTER]
    worker: dict[str, object] = getattr(node, "workerinput")  # noqa: B009
    worker["cluster"] = (cluster.host, cluster.port, cluster.superuser, cluster.password)
    worker["run"] = config.stash[_RUN]


def pytest_report_header(config: pytest.Config) -> str | None:
    if _CLUSTER not in config.stash:
        return None
    with psycopg.connect(config.stash[_CLUSTER].dsn("postgres")) as connection:
        return f"PostgreSQL {connection.info.parameter_status('server_version')}"


def pytest_unconfigure(config: pytest.Config) -> None:
    server = config.stash.get(_SERVER, None)
    if server is not None:
        server.stop()
    elif _CLUSTER in config.stash and not hasattr(config, "workerinput"):
        _drop_all(config.stash[_CLUSTER], config.stash[_RUN])


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> Cluster:
    """The server that the tests run on."""
    return pytestconfig.stash[_CLUSTER]


@pytest.fixture(scope="session")
def server_version(cluster: Cluster) -> int:
    """The server's version as libpq gives it: 180004 is 18.4."""
    with psycopg.connect(cluster.dsn("postgres")) as connection:
        return connection.info.server_version


@pytest.fixture(scope="session")
def template(cluster: Cluster, pytestconfig: pytest.Config) -> str:
    """The name of the migrated database of which the others are clones; made by whichever worker
    comes first."""
    name = f"chronicle_{pytestconfig.stash[_RUN]}_template"
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as rivals:
        rivals.execute("select pg_advisory_lock(%s)", (_TEMPLATE_LOCK,))
        made = rivals.execute("select from pg_database where datname = %s", (name,)).rowcount
        if not made:
            try:
                make_template(cluster, name)
            except BaseException:
                cluster.execute("drop database if exists {} with (force)", name)
                raise
    return name


@pytest.fixture(scope="session")
def database_names(pytestconfig: pytest.Config) -> Iterator[str]:
    """Names for databases that no other worker and no other run gives."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    return (f"chronicle_{pytestconfig.stash[_RUN]}_{worker}_{number}" for number in count(1))


@pytest.fixture
def database(cluster: Cluster, template: str, database_names: Iterator[str]) -> Iterator[Database]:
    """A database of the test's own, migrated; its owner is the installer."""
    name = next(database_names)
    cluster.execute("create database {} owner {} template {}", name, INSTALLER, template)
    yield from lent(Database(cluster, name))


@pytest.fixture
def empty_database(
    cluster: Cluster,
    template: str,  # noqa: ARG001  while it uses the roles, no test's rollback drops them
    database_names: Iterator[str],
) -> Iterator[Database]:
    """A database of the test's own in which nothing is installed; its owner is the installer."""
    name = next(database_names)
    cluster.execute("create database {} owner {}", name, INSTALLER)
    yield from lent(Database(cluster, name))


@pytest.fixture
def db(lend_database: Callable[[], SharedDatabase]) -> Iterator[Connection]:
    """The installer's session, in a transaction that is always rolled back. ``acting_as`` lends it
    to others."""
    connection = lend_database().only_connection()
    with connection.transaction(force_rollback=True):
        yield connection


@pytest.fixture(scope="session")
def lend_database(
    cluster: Cluster, template: str, database_names: Iterator[str]
) -> Iterator[Callable[[], SharedDatabase]]:
    """Lends the database of ``db``: one a worker, in which nothing is ever committed.

    From time to time it is another one: what is rolled back stays in the catalogs, where a test of
    half a second comes to take twenty.
    """
    shared: list[SharedDatabase] = []
    uses = count()

    def end() -> None:
        for database in shared:
            database.close()
            cluster.execute("drop database {} with (force)", database.name)
        shared.clear()

    def lend() -> SharedDatabase:
        if next(uses) % _USES == 0:
            end()
            name = next(database_names)
            cluster.execute("create database {} owner {} template {}", name, INSTALLER, template)
            shared.append(SharedDatabase(cluster, name))
        return shared[0]

    yield lend
    end()


def _drop_all(cluster: Cluster, run: str) -> None:
    with psycopg.connect(cluster.dsn("postgres")) as connection:
        names = connection.execute(
            "select datname from pg_database where starts_with(datname, %s)", (f"chronicle_{run}_",)
        ).fetchall()
    for (name,) in names:
        cluster.execute("drop database {} with (force)", name)
