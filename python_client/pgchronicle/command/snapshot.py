"""``pgchronicle snapshot``."""

import click

from pgchronicle import Chronicle, TrackedTable
from pgchronicle._output import print_json
from pgchronicle.command._database import Connection, connect, dsn_option, json_option
from pgchronicle.command._progress import working
from pgchronicle.command._records import find_table, identifier


@click.command()
@click.argument("table")
@dsn_option
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=10_000,
    show_default=True,
    help="How many rows to record and commit at a time.",
)
@json_option
def snapshot(table: str, dsn: str, batch_size: int, as_json: bool) -> None:
    """Record every row of TABLE as it is.

    It is where the history begins of rows that were there before they were tracked. Each batch is
    committed; a run that was stopped goes on where it ended when the command is given again. You
    must own the table.

    \b
    Example:
      pgchronicle snapshot shop.orders
    """
    recorded, progress = 0, None
    with connect(dsn) as connection:
        tracked = find_table(connection, table)
        with working("rows", _estimate(connection, tracked)) as work:
            # In autocommit mode each batch is a transaction.
            for progress in Chronicle(connection).snapshot_batches(identifier(tracked), batch_size):
                recorded += progress.rows_recorded
                work.advance_to(progress.rows_total)
    assert progress is not None  # noqa: S101  there is one batch at least
    if as_json:
        print_json({"rows_recorded": recorded, "rows_total": progress.rows_total})
        return
    earlier = progress.rows_total - recorded
    before = f", and {earlier:,} before it was stopped" if earlier else ""
    click.echo(f"{recorded:,} rows of {table} are recorded{before}.", err=True)


def _estimate(connection: Connection, table: TrackedTable) -> int | None:
    """About how many rows a table has, as far as the server has counted."""
    row = connection.execute(
        """
        select sum(c.reltuples)::bigint
        from pg_catalog.pg_class as t
        inner join pg_catalog.pg_namespace as n on n.oid = t.relnamespace
        cross join lateral (
            select p.relid
            from pg_catalog.pg_partition_tree(t.oid) as p
            where p.isleaf
            union
            select t.oid where t.relkind <> 'p'
        ) as l
        inner join pg_catalog.pg_class as c on c.oid = l.relid and c.reltuples >= 0
        where n.nspname = %s and t.relname = %s
        """,
        (table.schema_name, table.table_name),
    ).fetchone()
    return row[0] if row else None
