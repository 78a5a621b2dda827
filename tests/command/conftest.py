"""Fixtures of the tests of the command."""

import pytest

from support import Connection, Database


@pytest.fixture
def dsn(database: Database) -> str:
    """The installer's."""
    return database.dsn()


@pytest.fixture
def auditor(database: Database) -> Connection:
    """A session that sees what the command has done."""
    return database.connect(autocommit=True)
