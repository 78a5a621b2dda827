"""The sealed month that ``pgchronicle export --sealed`` writes: a file that proves itself."""

import os
from pathlib import Path

import click

from pgchronicle import _words
from pgchronicle.command._anchor import read_text
from pgchronicle.command._database import Connection
from pgchronicle.command._progress import counted_bar, every, explained_stop
from pgchronicle.seals.files import write_sealed_month


def export(connection: Connection, month: str, path: Path, note: Path | None) -> None:
    """Writes all that is sealed of a month to a file, which is whole or not there.

    Raises:
        click.BadParameter: it is no month.
        VerificationError: the log is not as it was sealed, or not what the note is about.
    """
    signed = None if note is None else read_text(note)
    new = path.with_name(f"{path.name}.new")
    try:
        with (
            explained_stop(connection, lambda: "Nothing was written: run the same command again."),
            new.open("wb") as out,
            counted_bar("events") as show,
        ):
            written = write_sealed_month(connection, month, out, signed, every(1000, show))
            out.flush()
            os.fsync(out.fileno())
        new.replace(path)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="--sealed") from error
    finally:
        new.unlink(missing_ok=True)
    click.echo(
        f"{_words.events(written.events)} of {month}, in {_words.batches(written.batches)}, are in "
        f"{path}.",
        err=True,
    )
    if note is None:
        click.echo(
            "Nobody vouches for the file: it holds the checkpoint as the database says it. To put "
            "a signed one into it, say --note.",
            err=True,
        )
