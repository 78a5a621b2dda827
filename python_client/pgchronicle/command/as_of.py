"""``pgchronicle as-of``."""

import csv
import sys
from collections.abc import Generator
from contextlib import closing
from datetime import datetime
from itertools import islice

import click

from pgchronicle import Chronicle, TrackedTable, _statements
from pgchronicle._output import (
    clean,
    clean_json,
    console,
    is_terminal,
    print_json,
    print_lines,
    print_table,
    to_ascii,
)
from pgchronicle._statements import Statement
from pgchronicle.command._database import Connection, connect, dsn_option, json_option
from pgchronicle.command._fields import time
from pgchronicle.command._records import (
    find_table,
    identifier,
    key_options,
    no_such_record,
    qualified_name,
    read_key,
)
from pgchronicle.errors import NotFoundError, explained

_LIMIT_ON_TERMINAL = 100


@click.command("as-of")
@click.argument("table")
@key_options(required=False)
@dsn_option
@click.option(
    "--at",
    type=time,
    required=True,
    help="When: a time, or how long ago, as 2h. Without a zone, it is that of this machine.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV with a line of headings.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    help=f"How many rows at most.  [default: {_LIMIT_ON_TERMINAL} on a terminal, else all]",
)
@json_option
def as_of(
    table: str,
    words: tuple[str, ...],
    pairs: tuple[str, ...],
    dsn: str,
    at: datetime,
    as_csv: bool,
    limit: int | None,
    as_json: bool,
) -> None:
    """Show a record, or a whole table, as it stood at a time.

    A record is shown in the columns that the table had then, a table in those of today.

    \b
    Examples:
      pgchronicle as-of shop.orders 4711 --at '2026-11-20 02:15'
      pgchronicle as-of shop.orders --at 2h --csv > orders.csv
    """
    if as_csv and as_json:
        raise click.UsageError("--csv and --json exclude each other.")
    is_record = bool(words or pairs)
    if is_record and (as_csv or limit is not None):
        raise click.UsageError("--csv and --limit are for whole tables.")
    if is_terminal():
        click.echo(f"As of {at.isoformat(sep=' ', timespec='seconds')}:", err=True)
    with connect(dsn) as connection:
        tracked = find_table(connection, table)
        if is_record:
            record_id = read_key(connection, tracked, words, pairs)
            _print_record(connection, tracked, record_id, at, as_json)
        elif as_json:
            _print_json(connection, tracked, at, limit)
        elif as_csv:
            _print_csv(connection, tracked, at, limit)
        else:
            _print_rows(connection, tracked, at, limit)


def _print_record(
    connection: Connection, table: TrackedTable, record_id: str, at: datetime, as_json: bool
) -> None:
    log = Chronicle(connection)
    record = log.record_as_of(identifier(table), record_id, at)
    if record is None:
        if not log.record_history(identifier(table), record_id):
            raise no_such_record(connection, table, record_id)
        raise NotFoundError(
            f"there was no record {clean(record_id)} then",
            hint='"pgchronicle history" with the same table and key shows when it was there.',
        )
    if as_json:
        print_json(record)
    elif is_terminal():
        from rich.text import Text

        out = console()
        width = max(map(len, record), default=0)
        for name, value in record.items():
            label = f"{clean(name):<{width}}  "
            out.print(Text.assemble((label, "cyan"), clean_json(value)), soft_wrap=True)
    else:
        print_lines((name, clean_json(value)) for name, value in record.items())


# Whole tables come as PostgreSQL writes their values, whatever the types, and as they come.


def _statement(
    connection: Connection, table: TrackedTable, at: datetime, limit: int | None
) -> Statement:
    name = qualified_name(connection, table)
    return _statements.rows_as_of(name, at, table.key_columns, limit)


def _csv(connection: Connection, statement: Statement) -> Generator[str]:
    """The headings and the rows as CSV, one at a time."""
    query = b"copy (" + statement.query + b") to stdout with (format csv, header)"
    with (
        explained(),
        connection.cursor() as cursor,
        cursor.copy(query, statement.parameters) as copy,
    ):
        for line in copy:
            yield bytes(line).decode()


def _print_csv(
    connection: Connection, table: TrackedTable, at: datetime, limit: int | None
) -> None:
    tame = is_terminal()
    with closing(_csv(connection, _statement(connection, table, at, limit))) as lines:
        for line in lines:
            click.echo(clean(line[:-1]) if tame else line, nl=tame)


def _print_json(
    connection: Connection, table: TrackedTable, at: datetime, limit: int | None
) -> None:
    rows = _statement(connection, table, at, limit)
    query = b"select pg_catalog.to_jsonb(x)::text from (" + rows.query + b") as x"
    before = "["
    with explained(), connection.cursor() as cursor:
        for (text,) in cursor.stream(query, rows.parameters):
            click.echo(f"{before}{to_ascii(text)}", nl=False)
            before = ","
    click.echo("[]" if before == "[" else "]")


def _print_rows(
    connection: Connection, table: TrackedTable, at: datetime, limit: int | None
) -> None:
    if limit is None and is_terminal():
        limit = _LIMIT_ON_TERMINAL
    csv.field_size_limit(sys.maxsize)
    # One more than is shown says that there are more.
    statement = _statement(connection, table, at, None if limit is None else limit + 1)
    with closing(_csv(connection, statement)) as lines:
        rows = csv.reader(lines)
        headings = [clean(name) for name in next(rows)]
        print_table(headings, islice(rows, limit))
        if limit is not None and next(rows, None) is not None:
            click.echo(f"There are more than {limit}: --limit", err=True)
