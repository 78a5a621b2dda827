"""Fixtures of the tests of the integrations: one database for all of them, in which they commit."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from integrations.shop import Shop, opened, prepare, url
from pgchronicle.integrations.sqlalchemy import instrument
from support import INSTALLER, Cluster, Database


@pytest.fixture(scope="session")
def shop_database(cluster: Cluster, template: str, database_names: Iterator[str]) -> Iterator[str]:
    """The name of the shop's database."""
    name = next(database_names)
    cluster.execute("create database {} owner {} template {}", name, INSTALLER, template)
    prepare(Database(cluster, name))
    yield name
    cluster.execute("drop database {} with (force)", name)


@pytest.fixture
def shop(cluster: Cluster, shop_database: str) -> Iterator[Shop]:
    """The shop, with nothing in its log that is older than the test."""
    database = Database(cluster, shop_database)
    yield opened(database)
    database.close()


@pytest.fixture
def engine(shop: Shop) -> Iterator[sa.Engine]:
    """An instrumented engine of app's."""
    engine = sa.create_engine(url(shop))
    instrument(engine)
    yield engine
    engine.dispose()
