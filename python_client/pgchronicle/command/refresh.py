"""``pgchronicle refresh``."""

import click

from pgchronicle import Chronicle
from pgchronicle._output import print_json, print_table
from pgchronicle.command._database import connect, dsn_option, json_option
from pgchronicle.command._records import existing_table


@click.command()
@click.argument("table", required=False)
@dsn_option
@json_option
@click.pass_context
def refresh(context: click.Context, table: str | None, dsn: str, as_json: bool) -> None:
    """Take up how tracked tables have changed since.

    Without TABLE, all of them. To be run after migrations: columns that were added are recorded one
    by one from then on, renamed ones keep their options, new partitions get their triggers. Exits
    with 1 when a table had to be skipped.

    \b
    Example:
      pgchronicle refresh
    """
    with connect(dsn) as connection:
        if table is not None:
            existing_table(connection, table)
        refreshed = Chronicle(connection).refresh_tracking(table)
    if as_json:
        print_json(refreshed)
    else:
        print_table(("table", "outcome"), [(each.table_name, each.outcome) for each in refreshed])
        if not refreshed:
            click.echo("No table is tracked.", err=True)
    if any(each.outcome.startswith("skipped") for each in refreshed):
        context.exit(1)
