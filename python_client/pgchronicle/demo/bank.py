"""The bank of the demo: pgbench's tables in a database with an audit log, each branch a tenant."""

import subprocess
from dataclasses import dataclass

import psycopg
from psycopg import sql

from pgchronicle.client import Chronicle
from pgchronicle.demo.cluster import DATABASE, OWNER
from pgchronicle.embedded import Server
from pgchronicle.migrate import migrate

BRANCHES = 2
ACCOUNTS_A_BRANCH = 100_000

TELLERS = "demo_tellers"
"""Runs pgbench, and knows nothing of the log."""
APPLICATION = "demo_application"
"""Logs events of its own."""
ADMINISTRATOR = "demo_administrator"
"""Administers branch 1."""

TABLES = {
    "pgbench_accounts": "account",
    "pgbench_tellers": "teller",
    "pgbench_branches": "branch",
    "pgbench_history": "transfer",
}
"""The tables, and what their rows are called in the log."""


@dataclass(frozen=True, slots=True)
class Bank:
    """A database that is ready to be used."""

    server: Server
    migrations: int

    def connect(self, user: str, *, autocommit: bool = False) -> psycopg.Connection:
        """A session of one of the demo's roles."""
        return psycopg.connect(self.server.dsn(DATABASE, user), autocommit=autocommit)


def open_bank(server: Server) -> Bank:
    """Makes the database anew: roles, the log, the tables of pgbench, and their tracking."""
    with psycopg.connect(server.dsn(), autocommit=True) as superuser:
        for role in (OWNER, TELLERS, APPLICATION, ADMINISTRATOR):
            if not superuser.execute("select from pg_roles where rolname = %s", (role,)).rowcount:
                superuser.execute(sql.SQL("create role {} login").format(sql.Identifier(role)))
        superuser.execute(sql.SQL("alter role {} createrole").format(sql.Identifier(OWNER)))
        database, owner = sql.Identifier(DATABASE), sql.Identifier(OWNER)
        superuser.execute(sql.SQL("drop database if exists {} with (force)").format(database))
        superuser.execute(sql.SQL("create database {} owner {}").format(database, owner))

    applied = migrate(server.dsn(DATABASE, OWNER))
    bank = Bank(server, len(applied))
    run_pgbench(server, OWNER, "--initialize", "--quiet", f"--scale={BRANCHES}")
    with bank.connect(OWNER, autocommit=True) as connection:
        _grant(connection)
        _track(connection)
    return bank


def run_pgbench(server: Server, user: str, *options: str) -> str:
    """Runs pgbench on the demo's database and returns what it prints."""
    result = subprocess.run(
        [server.program("pgbench"), *options],
        check=True,
        capture_output=True,
        text=True,
        env=server.environment(DATABASE, user),
    )
    return result.stdout


def _grant(connection: psycopg.Connection) -> None:
    connection.execute(
        """
        grant select, insert, update on pgbench_accounts, pgbench_tellers, pgbench_branches,
            pgbench_history to demo_tellers, demo_application;
        grant chronicle_app to demo_application;
        grant chronicle_reader to demo_administrator;
        """
    )


def _track(connection: psycopg.Connection) -> None:
    log = Chronicle(connection)
    for table, resource_type in TABLES.items():
        log.enable_tracking(table, resource_type=resource_type, organization_column="bid")
    log.add_administrator(ADMINISTRATOR, organization_id=1)
