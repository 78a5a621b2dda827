"""Which table and which record a person means, and what to say when there is none such."""

import difflib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import click
import psycopg
from psycopg import sql

from pgchronicle import Chronicle, TrackedTable, _json, _statements
from pgchronicle._output import clean
from pgchronicle.command._database import Connection
from pgchronicle.errors import ChronicleError, NotAllowedError, NotFoundError, NotTrackedError

_F = TypeVar("_F", bound=Callable[..., Any])

_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)
_EXAMPLES_WITHIN_MS = 2000


def key_options(*, required: bool) -> Callable[[_F], _F]:
    """The argument KEY and the option --key."""

    def decorate(command: _F) -> _F:
        command = click.option(
            "--key",
            "pairs",
            multiple=True,
            metavar="COLUMN=VALUE",
            help="One column of the key. To be given for each of them, instead of KEY.",
        )(command)
        metavar = "KEY..." if required else "[KEY]..."
        return click.argument("words", nargs=-1, metavar=metavar)(command)

    return decorate


def identifier(table: TrackedTable) -> sql.Identifier:
    """The table, whatever the search path."""
    return sql.Identifier(table.schema_name, table.table_name)


def find_table(connection: Connection, name: str) -> TrackedTable:
    """The tracked table of a name; of a partition, the table that it is a part of.

    Raises:
        NotFoundError: there is no table of that name.
        NotTrackedError: it is not tracked and never was.
    """
    schema, table = existing_table(connection, name, of_root=True)
    tracked = [
        each
        for each in Chronicle(connection).tracked_tables()
        if (each.schema_name, each.table_name) == (schema, table)
    ]
    if not tracked:
        raise NotTrackedError(
            f"{clean(f'{schema}.{table}')} is not tracked, so nothing is known of its past",
            hint=f"To have its changes recorded from now on: pgchronicle track {name}",
        )
    return max(tracked, key=lambda each: (each.tracked_until is None, each.tracked_since))


def existing_table(connection: Connection, name: str, *, of_root: bool = False) -> tuple[str, str]:
    """Schema and name of a table that is named as in SQL.

    Args:
        connection: to its database.
        name: as in SQL.
        of_root: of a partition, those of the table that it is a part of.

    Raises:
        NotFoundError: there is none.
    """
    try:
        row = connection.execute(
            """
            select n.nspname, c.relname
            from (values (%s::regclass)) as g (relation)
            inner join pg_catalog.pg_class as c
                on c.oid = case
                    when %s then coalesce(pg_catalog.pg_partition_root(g.relation), g.relation)
                    else g.relation
                end
            inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
            """,
            (name, of_root),
        ).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise _no_such_table(connection, name) from error
    if row is None:  # a number, which regclass takes for an oid
        raise _no_such_table(connection, name)
    return row[0], row[1]


def _no_such_table(connection: Connection, name: str) -> ChronicleError:
    """The error that says so, and which table may have been meant."""
    message = f"there is no table {name}"
    try:
        former = Chronicle(connection).events(table=name, limit=1).events
    except (ChronicleError, psycopg.Error):
        former = []
    if former:
        return NotFoundError(
            f"{message} any more",
            hint=f"What was recorded of it is there: pgchronicle events --table {name}",
        )
    meant = _similar_tables(connection, name)
    if meant:
        return NotFoundError(message, hint=f"Did you mean {' or '.join(meant)}?")
    return NotFoundError(message, hint='"pgchronicle tables" lists those that are tracked.')


def _similar_tables(connection: Connection, name: str) -> list[str]:
    found = connection.execute(
        """
        select pg_catalog.format('%I.%I', n.nspname, c.relname), c.relname
        from pg_catalog.pg_class as c
        inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p')
            and n.nspname <> all(array['pg_catalog', 'information_schema', 'chronicle'])
            and n.nspname !~ '^pg_toast|^pg_temp'
        order by c.relispartition, 1
        """
    ).fetchall()
    wanted = name.rpartition(".")[2].strip('"').lower()
    same = [qualified for qualified, bare in found if bare.lower() == wanted]
    close = difflib.get_close_matches(wanted, {bare.lower() for _, bare in found}, n=2, cutoff=0.7)
    return (same or [qualified for qualified, bare in found if bare.lower() in close])[:3]


# Keys


def read_key(
    connection: Connection, table: TrackedTable, words: tuple[str, ...], pairs: tuple[str, ...]
) -> str:
    """The key of a record as the log has it, from what a person gives.

    Args:
        connection: to the database of the log.
        table: whose record it is.
        words: KEY on the command line: the value of a key of one column, else a JSON object, or
            COLUMN=VALUE for each column.
        pairs: the values of --key.

    Raises:
        click.UsageError: it is no key of the table.
    """
    columns = table.key_columns
    if not words and not pairs:
        raise click.UsageError(f"Which record? {_how(table)}")
    if len(columns) < 2 and not pairs:
        word, *others = words
        if others:
            raise click.UsageError(f"That are {len(words)} keys. {_how(table)}")
        # Of a table without a key, the server says why it has no records.
        return word.removeprefix(f"{columns[0]}=") if columns else word
    if len(words) == 1 and not pairs and words[0].lstrip().startswith("{"):
        values = _read_object(table, words[0])
    else:
        values = dict(_read_pair(table, pair) for pair in (*words, *pairs))
    if set(values) != set(columns):
        raise click.UsageError(f"That is no key of {_name(table)}. {_how(table)}")
    if len(columns) == 1:
        return str(values[columns[0]])
    expression, parameters = _statements.key(values)
    row = connection.execute(f"select {expression}".encode(), parameters).fetchone()
    assert row is not None  # noqa: S101  it is an expression
    return str(row[0])


def _read_object(table: TrackedTable, text: str) -> dict[str, object]:
    try:
        value = _json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"The key is no JSON: {error}. {_how(table)}") from error
    return cast("dict[str, object]", value)


def _read_pair(table: TrackedTable, pair: str) -> tuple[str, object]:
    column, equals, value = pair.partition("=")
    if not equals:
        raise click.UsageError(f"{pair!r} is no COLUMN=VALUE. {_how(table)}")
    return column, value


def _name(table: TrackedTable) -> str:
    return clean(f"{table.schema_name}.{table.table_name}")


def _how(table: TrackedTable) -> str:
    columns = [clean(column) for column in table.key_columns]
    if len(columns) > 1:
        pairs = " ".join(f"{column}=..." for column in columns)
        return f"The key of {_name(table)} has {len(columns)} columns: say {pairs}"
    if columns:
        return f"The key of {_name(table)} is {columns[0]}."
    return f"{_name(table)} has no key."


def no_such_record(connection: Connection, table: TrackedTable, record_id: str) -> ChronicleError:
    """The error that says that nothing is known of a record, and why not, or how keys look."""
    since = f"{table.tracked_since:%Y-%m-%d %H:%M %Z}"
    if _is_there(connection, table, record_id):
        return NotFoundError(
            f"record {clean(record_id)} of {_name(table)} has not changed since it is tracked",
            detail=f"It is tracked since {since}.",
            hint='It stands in the table as it was then. "pgchronicle snapshot" records such rows.',
        )
    examples = _last_changed(connection, table)
    return NotFoundError(
        f"there is nothing about a record {clean(record_id)} of {_name(table)}",
        detail=f"Changed last: {', '.join(examples)}." if examples else None,
        hint=f"{_how(table)} It is tracked since {since}.",
    )


def _is_there(connection: Connection, table: TrackedTable, record_id: str) -> bool:
    """Whether the table has the record, as far as the caller may know."""
    log = Chronicle(connection)
    try:
        return log.record_as_of(identifier(table), record_id, _END_OF_TIME) is not None
    except (ChronicleError, psycopg.Error):
        return False


def _last_changed(connection: Connection, table: TrackedTable) -> Iterable[str]:
    """Keys of the records that were changed last, if they are quickly found."""
    try:
        with connection.transaction():
            connection.execute(f"set local statement_timeout = {_EXAMPLES_WITHIN_MS}".encode())
            page = Chronicle(connection).row_changes(table=identifier(table), limit=20)
    except (psycopg.errors.QueryCanceled, NotAllowedError):
        return []
    found = {change.record_id: None for change in page.row_changes if change.record_id is not None}
    return [clean(record_id) for record_id in list(found)[:3]]


def qualified_name(connection: Connection, table: TrackedTable) -> str:
    """The table's name as it can stand in a statement."""
    statement = _statements.qualified_name(identifier(table))
    row = connection.execute(statement.query, statement.parameters).fetchone()
    assert row is not None  # noqa: S101  it was found a moment ago
    return str(row[0])
