"""``pgchronicle migrate``."""

import click

from pgchronicle import migrate as migrations
from pgchronicle._output import print_json
from pgchronicle.command._database import connect, dsn_option, json_option


@click.command()
@dsn_option
@click.option("--sql", "as_sql", is_flag=True, help="Print the SQL instead of running it.")
@click.option(
    "--bookkeeping-schema",
    metavar="SCHEMA",
    help="Schema for yoyo's record of migrations; made when missing.  [default: the first one of "
    "the search path]",
)
@json_option
def migrate(dsn: str, as_sql: bool, bookkeeping_schema: str | None, as_json: bool) -> None:
    """Install pgchronicle in a database, or bring it up to date.

    It takes the owner of the database with CREATEROLE, no superuser. A plain "yoyo apply" does the
    same and sees what was done here.

    \b
    Example:
      pgchronicle migrate --dsn 'postgresql://owner@host/db'
    """
    if as_sql:
        click.echo(_script(), nl=False)
        return
    connect(dsn).close()
    applied = migrations.migrate(dsn, bookkeeping_schema=bookkeeping_schema)
    if as_json:
        print_json({"applied": applied})
    elif applied:
        for migration in applied:
            click.echo(migration)
    else:
        click.echo("There is nothing to do.", err=True)


def _script() -> str:
    """All migrations as one script for psql or for another tool's migration."""
    parts = [
        "-- pgchronicle, all of its migrations. Yoyo does not know of what is applied so.\n"
        "-- To be run so that the first error ends it: psql -X -v ON_ERROR_STOP=1 -f this_file",
    ]
    for path in sorted(migrations.migrations_dir().glob("pgchronicle_*.sql")):
        if not path.name.endswith(".rollback.sql"):
            parts.append(f"begin;\n\n{path.read_text()}\ncommit;")
    return "\n\n".join(parts) + "\n"
