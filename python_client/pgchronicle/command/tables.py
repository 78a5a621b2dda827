"""``pgchronicle tables``."""

import click

from pgchronicle import Chronicle
from pgchronicle._output import print_json, print_table
from pgchronicle.command._database import connect, dsn_option, json_option


@click.command()
@dsn_option
@json_option
def tables(dsn: str, as_json: bool) -> None:
    """List the tables that are or were tracked, and how they stand."""
    with connect(dsn) as connection:
        tracked = Chronicle(connection).tracked_tables()
    if as_json:
        print_json(tracked)
        return
    print_table(
        ("table", "state", "key", "organization", "problem"),
        [
            (
                f"{table.schema_name}.{table.table_name}",
                table.state,
                ", ".join(table.key_columns),
                table.organization_column,
                table.problem,
            )
            for table in tracked
        ],
    )
    if not tracked:
        click.echo("No table is tracked, or none that you may see.", err=True)
