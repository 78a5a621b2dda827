"""In which format events are given, and under which name of the log."""

import sys
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

import click

from pgchronicle._output import clean, is_terminal
from pgchronicle.command._database import Connection
from pgchronicle.formats import FORMATS, Format

_F = TypeVar("_F", bound=Callable[..., Any])


def format_option(**attributes: Any) -> Callable[[_F], _F]:
    """The option --format; the subcommand gets the name as ``form``."""
    return click.option("--format", "form", type=click.Choice(list(FORMATS)), **attributes)


def source_option(command: _F) -> _F:
    """The option --source."""
    return click.option(
        "--source",
        metavar="URI",
        help="Name of this log in ocsf, ecs, cef and cloudevents.  "
        "[default: postgresql://HOST:PORT/DATABASE]",
    )(command)


def source_of(connection: Connection) -> str:
    """The name of a log that was given none: where it is, without who asks."""
    info = connection.info
    database = quote(info.dbname, safe="")
    # A path is a socket's directory, which says nothing elsewhere.
    if not info.host or info.host.startswith("/"):
        return f"postgresql:///{database}"
    host = f"[{info.host}]" if ":" in info.host else info.host
    return f"postgresql://{host}:{info.port}/{database}"


def prepare(connection: Connection, form: str | None) -> None:
    """Makes a session ready to read for a format, where it is for one.

    Formats have times in UTC. In another zone, psycopg could not read the first day of year 1,
    which older logs have where they had no time.
    """
    if form is not None:
        connection.execute("set timezone = 'UTC'")


def print_text(form: Format, text: str) -> None:
    """Prints the text of an event or a header: to people as one safe line, else as it is, in UTF-8
    whatever the locale."""
    if is_terminal():
        click.echo(clean(text))
    else:
        sys.stdout.buffer.write(form.line(text))
