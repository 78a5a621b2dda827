"""The group of the subcommands, and what they say when something goes wrong."""

import errno
import io
import os
import sys
from typing import IO, Any

import click
import psycopg

from pgchronicle import __version__
from pgchronicle.command.as_of import as_of
from pgchronicle.command.checkpoint import checkpoint
from pgchronicle.command.demo import demo
from pgchronicle.command.doctor import doctor
from pgchronicle.command.events import events
from pgchronicle.command.export import export
from pgchronicle.command.gateway import gateway
from pgchronicle.command.history import history
from pgchronicle.command.import_ import import_
from pgchronicle.command.key import key
from pgchronicle.command.log import log
from pgchronicle.command.migrate import migrate
from pgchronicle.command.prove import prove
from pgchronicle.command.psql import psql
from pgchronicle.command.refresh import refresh
from pgchronicle.command.revert import revert
from pgchronicle.command.seal import seal
from pgchronicle.command.show import show
from pgchronicle.command.snapshot import snapshot
from pgchronicle.command.tables import tables
from pgchronicle.command.tail import tail
from pgchronicle.command.token import token
from pgchronicle.command.track import track
from pgchronicle.command.untrack import untrack
from pgchronicle.command.verify import verify
from pgchronicle.embedded import EmbeddedError
from pgchronicle.errors import ChronicleError
from pgchronicle.migrate import MigrationError

# What a write fails with, when it is not for want of a reader.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class Refused(click.ClickException):
    """Something was refused: what, what was seen, and what to do about it."""

    def __init__(self, message: str, detail: str | None, hint: str | None) -> None:
        super().__init__(message)
        self.detail = detail
        self.hint = hint

    def show(self, file: IO[Any] | None = None) -> None:
        for label, colour, text in (
            ("error", "red", self.message),
            ("detail", None, self.detail),
            ("hint", "cyan", self.hint),
        ):
            if text:
                click.secho(f"{label}: ", fg=colour, bold=True, nl=False, file=file, err=True)
                click.echo(text, file=file, err=True)


class _Group(click.Group):
    """Subcommands in the order in which one meets them, and no traceback for what is no bug."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click passes it
        return list(self.commands)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            _drop_output()
            Refused(f"cannot write: {error.strerror}", None, None).show()
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (ChronicleError, MigrationError, EmbeddedError) as error:
            cause = error.__cause__
            hint = error.hint or (_hint(cause) if isinstance(cause, psycopg.Error) else None)
            raise Refused(error.message, error.detail, hint) from error
        except psycopg.Error as error:
            message = error.diag.message_primary or str(error).strip()
            # Ours first: the server's tells to add casts where a function of a later version lacks.
            hint = _hint(error) or error.diag.message_hint
            raise Refused(message, error.diag.message_detail, hint) from error


def _drop_output() -> None:
    """Keeps Python from trying once more at its end, which would cost the exit code."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _hint(error: psycopg.Error) -> str | None:
    # The second is a name that is only compared, and refused as any wrong value is.
    if isinstance(error, psycopg.errors.InvalidName) or error.diag.source_function == "parse_ident":
        return (
            "Quote what is no plain name as in SQL, within the quotes of the shell: '\"We ird\"'."
        )
    is_ours = isinstance(error, psycopg.errors.UndefinedTable) and '"chronicle.' in str(error)
    if is_ours or isinstance(
        error, psycopg.errors.InvalidSchemaName | psycopg.errors.UndefinedFunction
    ):
        return 'Is pgchronicle installed there, and up to date? "pgchronicle doctor" says.'
    return None


@click.group(cls=_Group)
@click.version_option(__version__)
@click.pass_context
def main(context: click.Context) -> None:
    """An audit log inside PostgreSQL.

    Every subcommand takes --dsn, or else PGCHRONICLE_DSN or the PG* variables; without any of them,
    it uses the server of "pgchronicle demo" if that is running.

    Exit codes: 0 ok, 1 something was found or refused (the message says which), 2 wrong usage,
    3 cannot connect.
    """
    if os.environ.get("NO_COLOR"):
        context.color = False
    # A terminal or a file that has no letter for something gets its escape, not our traceback.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


for _command in (
    *(demo, migrate, track, untrack, refresh, tables, snapshot, import_),
    *(log, tail, events, show, history, as_of, revert, export),
    *(seal, verify, checkpoint, prove),
    *(key, gateway, token, doctor, psql),
):
    main.add_command(_command)
