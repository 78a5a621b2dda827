"""``pgchronicle tables``."""

import click

from pgchronicle import Chronicle, TrackedTable
from pgchronicle._output import print_json, print_table
from pgchronicle.command._database import connect, dsn_option, json_option


@click.command()
@dsn_option
@json_option
def tables(dsn: str, as_json: bool) -> None:
    """List the tables that are or were tracked, and how they stand.

    In a pipe each table is a line of name, state, key, organization column, options that are not
    the default, problem, and what is not covered, apart by tabs.

    \b
    Example:
      pgchronicle tables --json
    """
    with connect(dsn) as connection:
        tracked = Chronicle(connection).tracked_tables()
    if as_json:
        print_json(tracked)
        return
    print_table(
        ("table", "state", "key", "organization", "options", "problem", "not covered"),
        [
            (
                f"{table.schema_name}.{table.table_name}",
                table.state,
                ", ".join(table.key_columns),
                table.organization_column,
                _options(table),
                table.problem,
                " ".join(table.not_covered),
            )
            for table in tracked
        ],
    )
    if not tracked:
        click.echo("No table is tracked, or none that you may see.", err=True)


def _options(table: TrackedTable) -> str:
    """How it is tracked, as far as that is not the default."""
    options = (
        ("capture", table.capture if table.capture != "changes" else ""),
        ("truncate", table.truncate if table.truncate != "rows" else ""),
        ("require-actor", "yes" if table.requires_actor else ""),
        ("exclude", ",".join(table.excluded_columns)),
        ("mask", ",".join(table.masked_columns)),
    )
    return " ".join(f"{name}={value}" for name, value in options if value)
