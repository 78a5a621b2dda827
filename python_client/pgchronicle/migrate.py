"""Applies the migrations of this package to a database, as yoyo would, from any libpq connection
string.

Two things differ from a plain ``yoyo apply``, with which it shares the bookkeeping tables. A
migration and the mark that it is applied are one transaction, so that neither is ever there without
the other. And the lock goes with the session that holds it, so that a killed process leaves none
behind.
"""

import getpass
import os
import socket
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors, sql
from yoyo import read_migrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import Migration, MigrationList, default_migration_table

# Any number does that nobody else takes.
ADVISORY_LOCK = 0x7067_6368_726F_6E00

_Connection = psycopg.Connection[Any]


class MigrationError(Exception):
    """The migrations cannot be applied; the database is as it was before the one that failed.

    Attributes:
        message: what is wrong, in few words.
        detail: what was seen, as a sentence.
        hint: what to do about it.
        sqlstate: PostgreSQL's code, when it was PostgreSQL that refused.
    """

    def __init__(
        self,
        message: str,
        *,
        detail: str | None = None,
        hint: str | None = None,
        sqlstate: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.hint = hint
        self.sqlstate = sqlstate

    def __str__(self) -> str:
        parts = [self.message]
        if self.detail:
            parts.append(f"DETAIL: {self.detail}")
        if self.hint:
            parts.append(f"HINT: {self.hint}")
        return "\n".join(parts)


class MigrationLockedError(MigrationError):
    """Somebody else is migrating the database, or was killed while doing so."""


class MigrationsLostError(MigrationError):
    """The migrations are marked as applied, but what they made is gone.

    Attributes:
        mend: SQL that makes yoyo forget them, so that they can be applied again.
    """

    def __init__(self, message: str, *, detail: str, mend: str) -> None:
        super().__init__(
            message,
            detail=detail,
            hint="If the log should be there, restore it. Otherwise make yoyo forget the "
            f"migrations, and install again: {mend}",
        )
        self.mend = mend


def migrations_dir() -> Path:
    """The directory with the migrations: in the installed package, else in the repository around
    it."""
    package = Path(__file__).resolve().parent
    for directory in (package / "migrations", package.parent.parent / "migrations"):
        if directory.is_dir():
            return directory
    raise MigrationError("the package holds no migrations", hint="Install it again.")


def pending(dsn: str = "", *, bookkeeping_schema: str | None = None) -> list[str]:
    """The ids of the migrations that ``migrate`` would apply, in order. Changes nothing.

    Args:
        dsn: a libpq connection string of any form; what it leaves out comes from the environment.
        bookkeeping_schema: as for ``migrate``.

    Raises:
        MigrationsLostError: they are marked as applied, but the schema chronicle is gone.
        MigrationError: it is not clear where the migrations are recorded.
        psycopg.OperationalError: the database cannot be reached.
    """
    with _connect(dsn, autocommit=True) as connection:
        recorded = _recorded(connection)
        _refuse_if_lost(connection, recorded)
        schema = _bookkeeping_schema(connection, recorded, bookkeeping_schema)
        applied = recorded.get(schema, frozenset())
    return [migration.id for migration in _migrations() if migration.id not in applied]


def migrate(
    dsn: str = "", *, bookkeeping_schema: str | None = None, wait_s: float = 60.0
) -> list[str]:
    """Applies the migrations that are missing, each in a transaction of its own.

    Args:
        dsn: a libpq connection string of any form; what it leaves out comes from the environment.
        bookkeeping_schema: the schema for yoyo's tables, made when missing. By default they are
            where a plain
            ``yoyo apply`` puts them, in the first schema of the search path, or wherever our
            migrations are already recorded.
        wait_s: how long to wait, in seconds, for somebody else's migration to end.

    Returns:
        The ids of the migrations applied, in order; empty when there was nothing to do.

    Raises:
        MigrationLockedError: another migration did not end in time.
        MigrationsLostError: they are marked as applied, but the schema chronicle is gone. The
            marks stay, because only the reader of the message knows whether the log should too.
        MigrationError: a migration failed, or yoyo's tables cannot be made or used.
        psycopg.OperationalError: the database cannot be reached.
    """
    with _connect(dsn) as lock, lock.transaction(force_rollback=True):
        _wait_for_others(lock, wait_s)
        recorded = _recorded(lock)
        _refuse_if_lost(lock, recorded)
        schema = _bookkeeping_schema(lock, recorded, bookkeeping_schema)
        with _Backend(dsn, schema) as backend:
            with _explained(f"cannot use yoyo's tables in schema {schema}"):
                _make_bookkeeping(lock, backend, schema)
                _wait_for_yoyo(lock, schema, wait_s)
            return backend.apply_missing(_migrations())


def _migrations() -> MigrationList:
    return read_migrations(str(migrations_dir()))


# Where the migrations are recorded


def _bookkeeping_schema(
    connection: _Connection, applied: dict[str, frozenset[str]], wanted: str | None
) -> str:
    """The schema wanted, or where our migrations are recorded, or where a plain yoyo would record
    them."""
    recorded = sorted(applied)
    if wanted is not None:
        if recorded and wanted not in recorded:
            raise MigrationError(
                f"the migrations are already recorded in schema {recorded[0]}",
                detail=f"With a second record in schema {wanted} they would be applied again.",
                hint=f"Leave the bookkeeping schema out, or name {recorded[0]}.",
            )
        return wanted
    default = _value(connection, "select current_schema()")
    if default in recorded or (default is not None and not recorded):
        return str(default)
    if len(recorded) > 1:
        raise MigrationError(
            "the migrations are recorded in more than one schema",
            detail=f"They are in {' and '.join(recorded)}.",
            hint="Name the one that counts as the bookkeeping schema.",
        )
    if not recorded:
        raise MigrationError(
            "there is no schema to record the migrations in",
            detail="No schema of the search path exists.",
            hint="Name one as the bookkeeping schema; it is made when missing.",
        )
    return recorded[0]


def _recorded(connection: _Connection) -> dict[str, frozenset[str]]:
    """Our migrations that are applied, by the schema in which that is recorded."""
    ours = [migration.id for migration in _migrations()]
    schemas = connection.execute(
        """
        select n.nspname
        from pg_catalog.pg_class as c
        inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
        where
            c.relname = %s
            and c.relkind = 'r'
            and pg_catalog.has_schema_privilege(n.oid, 'usage')
            and pg_catalog.has_table_privilege(c.oid, 'select')
        """,
        (default_migration_table,),
    ).fetchall()
    found: dict[str, frozenset[str]] = {}
    for (schema,) in schemas:
        rows = connection.execute(
            sql.SQL("select migration_id from {} where migration_id = any(%s)").format(
                sql.Identifier(schema, default_migration_table)
            ),
            (ours,),
        ).fetchall()
        if rows:
            found[schema] = frozenset(migration_id for (migration_id,) in rows)
    return found


def _refuse_if_lost(connection: _Connection, recorded: dict[str, frozenset[str]]) -> None:
    """Refuses marks that outlived the schema: yoyo does not hear of a `drop schema`.

    The marks are read before the schema is looked for. The other way round, a migration that ends
    in between would look like a loss.
    """
    is_there = "select from pg_catalog.pg_namespace as n where n.nspname = 'chronicle'"
    if not recorded or connection.execute(is_there).fetchone() is not None:
        return
    schemas = sorted(recorded)
    forget = sql.SQL(r"delete from {} where migration_id like 'pgchronicle\_%';")
    raise MigrationsLostError(
        "the migrations are marked as applied, but there is no schema chronicle",
        detail=f"They are marked in schema {' and '.join(schemas)}. The schema chronicle was "
        "dropped without a rollback, or a dump was restored without it.",
        mend=" ".join(
            forget.format(sql.Identifier(schema, default_migration_table)).as_string(connection)
            for schema in schemas
        ),
    )


def _make_bookkeeping(connection: _Connection, backend: "_Backend", schema: str) -> None:
    """Makes what is missing of the schema and of yoyo's tables, outside the transaction of the
    lock."""
    if _value(connection, "select pg_catalog.to_regnamespace(quote_ident(%s))", schema) is None:
        backend.execute(f"create schema {backend.quote_identifier(schema)}")
    # Asked beforehand, because yoyo ignores every error of its own `create table`.
    elif not _lock_table_exists(connection, schema) and not _value(
        connection, "select pg_catalog.has_schema_privilege(%s, 'create')", schema
    ):
        raise MigrationError(
            f"may not create tables in schema {schema}",
            detail="yoyo keeps its record of migrations there.",
            hint="Grant CREATE on that schema, or name another as the bookkeeping schema.",
            sqlstate=errors.InsufficientPrivilege.sqlstate,
        )
    backend.create_lock_table()


def _lock_table_exists(connection: _Connection, schema: str) -> bool:
    query = "select pg_catalog.to_regclass(pg_catalog.format('%%I.%%I', %s::text, %s::text))"
    return _value(connection, query, schema, _Backend.lock_table) is not None


# One at a time


def _wait_for_others(connection: _Connection, wait_s: float) -> None:
    """Takes the lock of this package for as long as the transaction lasts.

    A transaction's lock and not a session's, because it holds through a pooler too.
    """
    connection.execute(
        """
        select pg_catalog.set_config(name, '0', true)
        from pg_catalog.pg_settings
        where name in (
            'idle_in_transaction_session_timeout', 'statement_timeout', 'transaction_timeout'
        )
        """
    )
    # Zero would mean to wait for ever.
    wait_ms = max(1, round(wait_s * 1000))
    connection.execute("select pg_catalog.set_config('lock_timeout', %s, true)", (f"{wait_ms}ms",))
    try:
        connection.execute("select pg_catalog.pg_advisory_xact_lock(%s)", (ADVISORY_LOCK,))
    except errors.LockNotAvailable as error:
        raise MigrationLockedError(
            "another process is migrating this database",
            detail=f"It did not end within {wait_s:g} seconds.",
            hint="Wait until it has ended, and try again.",
        ) from error


def _wait_for_yoyo(connection: _Connection, schema: str, wait_s: float) -> None:
    """Takes yoyo's own lock, a row, so that nobody's plain ``yoyo apply`` runs beside us.

    The row is never committed: others wait for this transaction, and if we are killed nothing is
    left.
    """
    table = sql.Identifier(schema, _Backend.lock_table)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            with connection.transaction():
                insert = sql.SQL("insert into {} (locked, ctime, pid) values (1, now(), %s)")
                connection.execute(insert.format(table), (os.getpid(),))
        except errors.UniqueViolation as error:
            if time.monotonic() >= deadline:
                owner = _value(connection, sql.SQL("select pid from {}").format(table))
                raise MigrationLockedError(
                    "a yoyo process has locked this database",
                    detail=f"It gave {owner} as its process id.",
                    hint="If it is no longer running, remove its lock with: yoyo break-lock",
                ) from error
            time.sleep(0.1)
        else:
            return


# What is different from yoyo


class _QuietCursor(psycopg.Cursor[Any]):
    """A cursor whose rows yoyo does not see: it prints what a step selects."""

    @property
    def description(self) -> None:
        return None


class _Backend(PostgresqlPsycopgBackend):
    """yoyo's backend, on any connection string, with each migration and its mark in one
    transaction."""

    def __init__(self, dsn: str, schema: str) -> None:
        self._dsn = dsn
        self._schema = schema
        # Our own lock is held before a backend is made.
        self._is_locked = True
        uri = DatabaseURI("postgresql+psycopg", None, None, None, None, None, {})
        super().__init__(uri, default_migration_table)

    def connect(self, dburi: DatabaseURI) -> _Connection:  # noqa: ARG002  yoyo's own is not enough
        return _connect(self._dsn, autocommit=True, cursor_factory=_QuietCursor)

    def init_connection(self, connection: _Connection) -> None:
        connection.execute(sql.SQL("set search_path to {}").format(sql.Identifier(self._schema)))

    def copy(self) -> "_Backend":
        return _Backend(self._dsn, self._schema)

    def apply_missing(self, migrations: MigrationList) -> list[str]:
        """Applies what is not applied yet and returns the ids. The first failure ends it."""
        applied: list[str] = []
        for migration in self.to_apply(migrations):
            with _explained(f"migration {migration.id} failed"):
                self.apply_one(migration)
            applied.append(migration.id)
        return applied

    def apply_one(self, migration: Migration, force: bool = False, mark: bool = True) -> None:
        migration.load()
        if not migration.use_transactions:
            super().apply_one(migration, force=force, mark=mark)
            return
        with self.copy() as session, session.transaction():
            # Before the steps, because they may change role for the rest of the transaction.
            session.log_migration(migration, "apply")
            if mark:
                session.mark_one(migration, log=False)
            migration.process_steps(session, "apply", force=force)

    def get_log_data(
        self, migration: Migration | None = None, operation: str = "apply"
    ) -> dict[str, object]:
        """What goes into yoyo's log: like yoyo's own, but never waiting for a name server or
        failing for a name."""
        return {
            "id": str(uuid.uuid1()),
            "migration_id": migration.id if migration else None,
            "migration_hash": migration.hash if migration else None,
            "username": _user_name(),
            "hostname": socket.gethostname(),
            "created_at_utc": datetime.now(UTC).replace(tzinfo=None),
            "operation": operation,
        }


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user id often has no name.
        return f"uid{os.getuid()}"


@contextmanager
def _explained(what: str) -> Generator[None]:
    """Turns PostgreSQL's refusal into ours, with its detail, hint and code."""
    try:
        yield
    except psycopg.Error as error:
        raise MigrationError(
            f"{what}: {error.diag.message_primary or error}",
            detail=error.diag.message_detail,
            hint=error.diag.message_hint,
            sqlstate=error.sqlstate,
        ) from error


def _connect(dsn: str, **options: Any) -> _Connection:
    # In SQL_ASCII, which a database or the environment may be set to, psycopg gives bytes for text.
    return psycopg.connect(dsn, client_encoding="utf8", **options)


def _value(connection: _Connection, query: Any, *parameters: object) -> Any:
    row = connection.execute(query, parameters or None).fetchone()
    return None if row is None else row[0]
