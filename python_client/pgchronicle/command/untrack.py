"""``pgchronicle untrack``."""

import click

from pgchronicle import Chronicle
from pgchronicle.command._database import connect, dsn_option
from pgchronicle.command._records import existing_table


@click.command()
@click.argument("table")
@dsn_option
def untrack(table: str, dsn: str) -> None:
    """Capture changes of TABLE no more. What was recorded stays.

    \b
    Example:
      pgchronicle untrack shop.orders
    """
    with connect(dsn) as connection:
        existing_table(connection, table)
        Chronicle(connection).disable_tracking(table)
    click.echo(f"{table} is no longer tracked.", err=True)
