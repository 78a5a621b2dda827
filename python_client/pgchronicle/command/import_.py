"""``pgchronicle import``."""

import difflib
from typing import IO, Any

import click
import psycopg
from psycopg import sql

from pgchronicle import Chronicle, Event
from pgchronicle._output import print_json
from pgchronicle._statements import EVENT_FIELDS
from pgchronicle.command._database import Connection, connect, dsn_option, json_option
from pgchronicle.command._progress import working
from pgchronicle.command._records import existing_table
from pgchronicle.command.events import print_events

_SHOWN = 5
FIELDS = {"source_id": "text"} | {k: v for k, v in EVENT_FIELDS.items() if k != "event_id"}
"""What an imported event can say, with the types."""

Pairs = tuple[tuple[str, str], ...]


def _pairs(_context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> Pairs:
    return tuple(_pair(parameter, text) for text in given)


def _pair(parameter: click.Parameter, text: str) -> tuple[str, str]:
    field, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} is no {parameter.metavar}.")
    if field not in FIELDS:
        meant = difflib.get_close_matches(field, FIELDS, n=1)
        hint = f" Did you mean {meant[0]}?" if meant else ""
        raise click.BadParameter(f"an event has no field {field!r}.{hint}")
    return field, value


@click.command("import")
@dsn_option
@click.option("--source", required=True, help="A name for the older log; it tells repeats apart.")
@click.option("--query", metavar="SQL", help="A SELECT of the events; names in it are qualified.")
@click.option("--query-file", type=click.File(), help="A file that holds it; - is standard input.")
@click.option("--from", "table", metavar="TABLE", help="The table that holds them, instead.")
@click.option(
    "--map",
    "columns",
    multiple=True,
    metavar="FIELD=COLUMN",
    callback=_pairs,
    help="With --from: the column of a field. source_id is the primary key unless it is mapped.",
)
@click.option(
    "--set",
    "values",
    multiple=True,
    metavar="FIELD=VALUE",
    callback=_pairs,
    help="With --from: a field that is the same for all.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=10_000,
    show_default=True,
    help="How many events to record and commit at a time.",
)
@click.option("--dry-run", is_flag=True, help=f"Show the first {_SHOWN} as they would be recorded.")
@json_option
def import_(
    dsn: str,
    source: str,
    query: str | None,
    query_file: IO[str] | None,
    table: str | None,
    columns: Pairs,
    values: Pairs,
    batch_size: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Record the events of an older audit table, with their own times.

    The SELECT has a column source_id, unique and not null, and columns named like the options of
    "pgchronicle log" with _ for -: occurred_at, actor_type, action_type and resource_type at
    least. What was imported of the same source before is not imported again, so a run that was
    stopped goes on when the command is given again.

    \b
    Examples:
      pgchronicle import --source paper_trail --query-file versions.sql --dry-run
      pgchronicle import --source old --from public.audit --map occurred_at=created_at \\
        --map actor_id=user_id --set actor_type=user --set action_type=update \\
        --map resource_type=table_name --map resource_id=row_id
    """
    if (query is not None) + (query_file is not None) + (table is not None) != 1:
        raise click.UsageError("Say one of --query, --query-file and --from.")
    if table is None and (columns or values):
        raise click.UsageError("--map and --set go with --from.")
    with connect(dsn) as connection:
        if table is not None:
            query = _query(connection, table, columns, values)
        elif query_file is not None:
            query = query_file.read()
        assert query is not None  # noqa: S101  one of the three was given
        if dry_run:
            _show(connection, source, query, as_json)
        else:
            _import(connection, source, query, batch_size, as_json)


def _import(
    connection: Connection, source: str, query: str, batch_size: int, as_json: bool
) -> None:
    imported, total = 0, 0
    with working("events", _estimate(connection, query)) as work:
        # In autocommit mode each batch is a transaction.
        for progress in Chronicle(connection).import_batches(source, query, batch_size):
            imported += progress.events_imported
            total = progress.events_total
            work.advance_to(total)
    if as_json:
        print_json({"events_imported": imported, "events_total": total})
        return
    earlier = total - imported
    before = f"; {earlier:,} of {source} were there already" if earlier else ""
    click.echo(f"{imported:,} events are imported{before}.", err=True)


def _show(connection: Connection, source: str, query: str, as_json: bool) -> None:
    """Imports a few, shows them, and takes it back."""
    log = Chronicle(connection)
    with connection.transaction(force_rollback=True):
        progress = log.import_events(source, query, batch_size=_SHOWN)
        row: Any = connection.execute(
            "select pg_catalog.pg_current_xact_id()::text::bigint"
        ).fetchone()
        found: list[Event] = log.events(
            transaction_id=row[0], origin="imported", limit=_SHOWN
        ).events
    if as_json:
        print_json(found)
    else:
        print_events(found)
    if not progress.events_imported:
        click.echo("There is nothing that is not there already.", err=True)
    elif not found:
        click.echo("You may not see them: that takes chronicle_auditor.", err=True)
    click.echo("This was a dry run: nothing is imported.", err=True)


def _query(connection: Connection, table: str, columns: Pairs, values: Pairs) -> str:
    """A SELECT of the events that a table holds."""
    schema, name = existing_table(connection, table)
    fields = [field for field, _ in (*columns, *values)]
    for field in fields:
        if fields.count(field) > 1:
            raise click.UsageError(f"{field} is said twice.")
    if "source_id" not in fields:
        columns = (("source_id", _primary_key(connection, schema, name)), *columns)
    expressions = [f"t.{_quoted(column)} as {field}" for field, column in columns]
    expressions += [
        f"{sql.Literal(value).as_string(connection)}::{FIELDS[field]} as {field}"
        for field, value in values
    ]
    source = sql.Identifier(schema, name).as_string(connection)
    return f"select {', '.join(expressions)} from {source} as t"  # noqa: S608  all is quoted


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string(None)


def _primary_key(connection: Connection, schema: str, table: str) -> str:
    rows = connection.execute(
        """
        select a.attname
        from pg_catalog.pg_class as c
        inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
        inner join pg_catalog.pg_index as i on i.indrelid = c.oid and i.indisprimary
        inner join pg_catalog.pg_attribute as a
            on a.attrelid = c.oid and a.attnum = any(i.indkey::smallint[])
        where n.nspname = %s and c.relname = %s
        """,
        (schema, table),
    ).fetchall()
    if len(rows) != 1:
        raise click.UsageError(
            f"{schema}.{table} has no primary key of one column: say --map source_id=COLUMN"
        )
    return str(rows[0][0])


def _estimate(connection: Connection, query: str) -> int | None:
    """About how many events a query gives, by the server's plan; what is wrong with it, the import
    itself will say."""
    try:
        with connection.transaction():
            connection.execute("set local search_path = pg_catalog, pg_temp")
            row: Any = connection.execute(
                f"explain (format json) select from (\n{query}\n) as q".encode()
            ).fetchone()
    except psycopg.Error:
        return None
    return int(row[0][0]["Plan"]["Plan Rows"])
