"""``pgchronicle export``."""

import os
import stat
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import TypeAlias

import click

from pgchronicle import Chronicle, EventStream, _words
from pgchronicle._output import is_terminal
from pgchronicle.command import _sealed_month
from pgchronicle.command._database import Connection, connect, dsn_option, needing
from pgchronicle.command._export_file import keep, open_export
from pgchronicle.command._formats import (
    format_option,
    prepare,
    print_text,
    source_of,
    source_option,
)
from pgchronicle.command._progress import bar, estimated_events, explained_stop
from pgchronicle.errors import ChronicleError
from pgchronicle.formats import FORMATS, Format

_Show: TypeAlias = Callable[[int], None]

# What is gathered before it is written, unless a batch is done before.
_BYTES = 16_000_000

_STDOUT = 1

# What to do where the place is kept.
_AGAIN = "To go on from there, run the same command again."


@click.command()
@dsn_option
@format_option(help="What the events look like.  [default: jsonl]")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write, or to go on with.  [default: standard output]",
)
@click.option("--cursor", help="Begin behind this place of the stream, not at the beginning.")
@click.option(
    "--cursor-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Without --output: begin at the cursor that it holds, if there is one, and keep the new "
    "one there after each batch that was written. If the command is killed in between, that batch "
    "comes a second time.",
)
@source_option
@click.option(
    "--batch-size",
    type=click.IntRange(1, 100_000),
    default=1000,
    show_default=True,
    help="How many events to read at a time. Less takes less memory where events are large.",
)
@click.option(
    "--sealed",
    "month",
    metavar="YYYY-MM",
    help="Write to --output what is sealed of this month (UTC) instead, with what proves it: "
    '"verify" takes the file without any database. Needs chronicle_auditor.',
)
@click.option(
    "--note",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="With --sealed: a signed note, to be put into the file: what it covers is written. "
    "Take one from after the month had ended and was sealed.",
)
@click.option(
    "--force",
    is_flag=True,
    help="With --sealed: let --output replace a file that is there already.",
)
def export(
    dsn: str,
    form: str | None,
    output: Path | None,
    cursor: str | None,
    cursor_file: Path | None,
    source: str | None,
    batch_size: int,
    month: str | None,
    note: Path | None,
    force: bool,
) -> None:
    """Write all events that you may see, in the order of the stream.

    An event comes once every transaction is over that was open when it was written, so that none
    is left out. Given again with the same FILE, the command goes on where it ended, however it
    ended: FILE.cursor keeps the place, and nothing is skipped and nothing written twice.

    \b
    Examples:
      pgchronicle export --format csv --output events.csv
      pgchronicle export --format cef --cursor-file sent | nc collector 514
      pgchronicle export --sealed 2026-10 --note last.note --output 2026-10.jsonl
    """
    if month is not None:
        if output is None or form or cursor or cursor_file or source:
            raise click.UsageError("--sealed goes with --output, --note and --force only.")
        with closing(connect(dsn)) as connection, needing("chronicle_auditor"):
            _sealed_month.export(connection, month, output, note, force=force)
        return
    if note is not None:
        raise click.UsageError("--note is for --sealed.")
    if force:
        raise click.UsageError("--force is for --sealed: any other export goes on with its file.")
    form = form or "jsonl"
    if output is not None and cursor_file is not None:
        raise click.UsageError("--output keeps its place in FILE.cursor: leave --cursor-file out.")
    if output is not None and not _is_or_becomes_a_file(output):
        raise click.UsageError(
            f"{output} is no regular file: leave --output out and keep the place with "
            "--cursor-file."
        )
    if cursor_file is not None and not (
        _is_or_becomes_a_file(cursor_file) and cursor_file.parent.is_dir()
    ):
        # It is replaced as a whole: a device would be none any more.
        raise click.UsageError(f"{cursor_file} is no regular file, or in no directory.")
    with closing(connect(dsn)) as connection, _unusable_files_named():
        prepare(connection, form)
        name = source or source_of(connection)
        if output is not None:
            _to_file(connection, form, name, cursor, output, batch_size)
            return
        if cursor_file is not None and cursor_file.exists():
            if cursor is not None:
                raise click.UsageError(f"{cursor_file} has a cursor already: leave --cursor out.")
            cursor = cursor_file.read_text(encoding="utf-8", errors="replace").strip() or None
        _to_stdout(connection, FORMATS[form], name, cursor, cursor_file, batch_size)


def _is_or_becomes_a_file(path: Path) -> bool:
    return str(path) != "-" and (path.is_file() or not path.exists())


def _to_file(
    connection: Connection, form: str, source: str, cursor: str | None, path: Path, batch_size: int
) -> None:
    with open_export(path, form=form, source=source, cursor=cursor) as file:
        if file.is_empty and (beginning := FORMATS[form].beginning()):
            file.append(beginning, file.cursor)
        stream = Chronicle(connection).events_since(file.cursor, batch_size=batch_size)
        exported = 0
        with explained_stop(connection, lambda: _AGAIN), _bar(connection, file.cursor) as show:
            for texts in _batches(stream, FORMATS[form], source, batch_size):
                file.append(b"".join(map(FORMATS[form].line, texts)), stream.cursor)
                exported += len(texts)
                show(exported)
            # At the end it is behind the events of others, too.
            if stream.cursor != file.cursor:
                file.append(b"", stream.cursor)
    are = "is" if exported == 1 else "are"
    click.echo(f"{_words.events(exported)} {are} exported to {path}.", err=True)


def _to_stdout(
    connection: Connection,
    form: Format,
    source: str,
    cursor: str | None,
    cursor_file: Path | None,
    batch_size: int,
) -> None:
    if cursor is None and form.header is not None:
        print_text(form, form.header)
    stream = Chronicle(connection).events_since(cursor, batch_size=batch_size)
    exported = 0
    # On a terminal, the events are the progress.
    shown: AbstractContextManager[_Show] = (
        nullcontext(_nothing) if is_terminal() else _bar(connection, cursor)
    )
    given = cursor

    def hint() -> str:
        if cursor_file is not None:
            return _AGAIN
        if given is None:
            return "No batch was written: run the same command again."
        return f"To go on from there: --cursor {given}."

    with explained_stop(connection, hint), shown as show:
        for texts in _batches(stream, form, source, batch_size):
            for text in texts:
                print_text(form, text)
            sys.stdout.flush()
            given = stream.cursor
            if cursor_file is not None:
                _save_output()
                keep(cursor_file, stream.cursor or "")
            exported += len(texts)
            show(exported)
    if cursor_file is not None:
        keep(cursor_file, stream.cursor or "")
    elif stream.cursor is not None:
        click.echo(
            f"{_words.events(exported)}. To go on from here: --cursor {stream.cursor}", err=True
        )


def _save_output() -> None:
    """What was redirected into a file must be there before a cursor says that it was given."""
    if stat.S_ISREG(os.fstat(_STDOUT).st_mode):
        os.fsync(_STDOUT)


def _batches(
    stream: EventStream, form: Format, source: str, batch_size: int
) -> Generator[list[str]]:
    """The events as text, as many at a time as shall be written at once."""
    texts: list[str] = []
    length = 0
    for event in stream:
        texts.append(form.to_text(event, source))
        length += len(texts[-1])
        if len(texts) == batch_size or length > _BYTES:
            yield texts
            texts, length = [], 0
    if texts:
        yield texts


@contextmanager
def _unusable_files_named() -> Generator[None]:
    """Says which file it is that is missing, or no file, or somebody else's."""
    try:
        yield
    except OSError as error:
        if error.filename is None:  # standard output, or a full disk
            raise
        raise ChronicleError(f"{error.filename}: {error.strerror}") from error


def _bar(connection: Connection, cursor: str | None) -> AbstractContextManager[_Show]:
    return bar("events", estimated_events(connection) if cursor is None else None)


def _nothing(_: int) -> None:
    """Where no progress is shown."""
