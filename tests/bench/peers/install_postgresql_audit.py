"""Lets postgresql-audit track tables that are there, as its documentation says.

Runs in the peers' own environment: install_postgresql_audit.py DSN statement|row TABLE...
"""

import sys

import sqlalchemy as sa
from postgresql_audit import VersioningManager
from sqlalchemy.orm import configure_mappers, declarative_base


def main(dsn: str, level: str, *tables: str) -> None:
    """Makes its tables and functions, and attaches its triggers."""
    base = declarative_base()
    manager = VersioningManager(use_statement_level_triggers=level == "statement")
    manager.init(base)
    configure_mappers()
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: _connect(dsn))
    with engine.begin() as connection:
        base.metadata.create_all(connection)
        for name in tables:
            table = sa.Table(name, sa.MetaData(), autoload_with=connection)
            connection.execute(manager.build_audit_table_query(table))


def _connect(dsn: str) -> object:
    import psycopg

    return psycopg.connect(dsn)


if __name__ == "__main__":
    main(*sys.argv[1:])
