"""The sealed month that ``pgchronicle export --sealed`` writes: a file that proves itself."""

from pathlib import Path

import click

from pgchronicle import _words
from pgchronicle.command._anchor import read_note
from pgchronicle.command._database import Connection
from pgchronicle.command._new_file import new_file
from pgchronicle.command._progress import counted_bar, every, explained_stop
from pgchronicle.seals.files import uncovered, write_sealed_month


def export(
    connection: Connection, month: str, path: Path, note: Path | None, *, force: bool
) -> None:
    """Writes all that is sealed of a month to a file, which is whole or not there.

    Raises:
        click.BadParameter: it is no month.
        VerificationError: the log is not as it was sealed, or not what the note is about.
        ChronicleError: the file is there already, and not to be replaced.
    """
    signed = None if note is None else read_note(note)[0]
    try:
        with (
            explained_stop(connection, lambda: "Nothing was written: run the same command again."),
            new_file(path, force=force) as out,
            counted_bar("events") as show,
        ):
            written = write_sealed_month(connection, month, out, signed, every(1000, show))
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="--sealed") from error
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
    rest = uncovered(connection, month, written.checkpoint.size)
    if rest.batches:
        click.echo(
            f"Not in the file: {_words.events(rest.events)} of {month}, in "
            f"{_words.batches(rest.batches)}, sealed since the note. Take a newer note.",
            err=True,
        )
    if rest.unsealed:
        click.echo(
            f"Not in the file: {_words.events(rest.unsealed)} of {month} that nobody has sealed "
            'yet. Run "pgchronicle seal", and then take a newer note.',
            err=True,
        )
