"""Fixtures of the tests of the command."""

from collections.abc import Iterator

import pytest

import streaming
from support import Cluster, Connection, Database


@pytest.fixture
def dsn(database: Database) -> str:
    """The installer's."""
    return database.dsn()


@pytest.fixture
def auditor(database: Database) -> Connection:
    """A session that sees what the command has done."""
    return database.connect(autocommit=True)


@pytest.fixture(scope="session")
def quiet_cluster() -> Iterator[Cluster]:
    """A server on which nothing else holds back the stream."""
    with streaming.quiet_cluster() as cluster:
        yield cluster


@pytest.fixture
def quiet(quiet_cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database on that server."""
    yield from streaming.migrated_database(quiet_cluster, f"quiet_{id(request.node)}")
