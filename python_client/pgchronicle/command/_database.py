"""Which database a subcommand talks to, and the connection to it."""

import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import click
import psycopg
from psycopg.rows import TupleRow

from pgchronicle.demo import cluster
from pgchronicle.errors import NotAllowedError, explained

Connection = psycopg.Connection[TupleRow]

_F = TypeVar("_F", bound=Callable[..., Any])

# Too often is no use while a server starts.
_SHORTEST_WAIT = 1.0

# Variables that choose a server or a database; a password alone chooses none.
_CHOOSING = ("PGSERVICE", "PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER")


class CannotConnect(click.ClickException):
    """No connection to the database."""

    exit_code = 3

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint

    def show(self, file: Any = None) -> None:
        click.secho("error: ", fg="red", bold=True, nl=False, file=file, err=True)
        click.echo(f"cannot connect: {self.message}", file=file, err=True)
        click.secho("hint: ", fg="cyan", bold=True, nl=False, file=file, err=True)
        click.echo(self.hint, file=file, err=True)


def dsn_option(command: _F) -> _F:
    """The option --dsn, whose value is already decided when the subcommand gets it."""
    return click.option(
        "--dsn",
        envvar="PGCHRONICLE_DSN",
        metavar="DSN",
        callback=_chosen,
        help="Connection string of the database, in any form that libpq takes.  "
        "[env: PGCHRONICLE_DSN, PGHOST, PGDATABASE, PGUSER, ...]",
    )(command)


def json_option(command: _F) -> _F:
    """The option --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def offline_dsn_option(command: _F) -> _F:
    """The option --dsn of a subcommand that may do without a database; see ``chosen``."""
    return click.option(
        "--dsn",
        envvar="PGCHRONICLE_DSN",
        metavar="DSN",
        help="Connection string of the database, where one is asked.  "
        "[env: PGCHRONICLE_DSN, PGHOST, PGDATABASE, PGUSER, ...]",
    )(command)


def _chosen(_context: click.Context, _parameter: click.Parameter, dsn: str | None) -> str:
    return chosen(dsn)


def is_chosen(dsn: str | None) -> bool:
    """Whether anybody has said which database."""
    return dsn is not None or any(os.environ.get(name) for name in _CHOOSING)


def chosen(dsn: str | None) -> str:
    """The connection string given, or that of the demo when nothing at all was said."""
    if dsn is not None:
        return dsn
    if not is_chosen(dsn):
        demo = cluster.running_dsn()
        if demo is not None:
            click.echo("Using the server of the demo, as its owner.", err=True)
            return demo
    return ""


def connect(dsn: str) -> Connection:
    """A connection in autocommit mode.

    It speaks UTF-8 and ISO dates, whatever the environment or the role is set to: psycopg reads no
    time of another style, and no other encoding holds all that was recorded.

    Raises:
        CannotConnect: there is none.
        click.BadParameter: the connection string is none.
    """
    try:
        connection = psycopg.connect(
            dsn,
            autocommit=True,
            client_encoding="utf8",
            fallback_application_name="pgchronicle",
        )
    except psycopg.OperationalError as error:
        hint = (
            "Is the server running, and are host, port, user and password right?"
            if is_chosen(dsn or None)
            else "Say which database: --dsn, PGCHRONICLE_DSN or the PG* variables. "
            '"pgchronicle demo" starts one to look at.'
        )
        raise CannotConnect(str(error).strip(), hint=hint) from error
    except psycopg.ProgrammingError as error:
        raise click.BadParameter(str(error).strip(), param_hint="--dsn") from error
    connection.execute("set datestyle = 'ISO'")
    return connection


def connect_again(dsn: str, error: psycopg.OperationalError, wait: float) -> Connection:
    """A connection in the place of one that is lost, as soon as there is one; it says so.

    Args:
        dsn: of the database.
        error: how the former one was lost.
        wait: how many seconds to wait before each attempt, one at least.
    """
    reason = str(error).strip().splitlines()[0]
    click.echo(f"The connection is lost: {reason}. Trying again.", err=True)
    while True:
        time.sleep(max(wait, _SHORTEST_WAIT))
        with suppress(CannotConnect):
            connection = connect(dsn)
            click.echo("Connected again.", err=True)
            return connection


@contextmanager
def needing(*roles: str) -> Generator[None]:
    """Says which of the log's roles it takes, when the database denies what is done in it.

    Args:
        roles: one of which is needed.

    Raises:
        NotAllowedError: it was denied.
    """
    try:
        with explained():
            yield
    except NotAllowedError as error:
        error.hint = error.hint or f"This needs the role {' or '.join(roles)}."
        raise
