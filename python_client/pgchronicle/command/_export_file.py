"""A file to which events are exported, in as many runs as it takes, each event once.

Beside FILE stands FILE.cursor: up to which byte the file holds, and where in the stream that is.
Bytes go to the disk first and the note second, so the file may hold more than the note says when
the process or the machine dies in between, and never less. The next run cuts it back to the note.
"""

import fcntl
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path

from pgchronicle import _durable
from pgchronicle.errors import ChronicleError


@dataclass(frozen=True, slots=True)
class _Note:
    """What FILE.cursor says."""

    bytes: int
    cursor: str | None
    format: str
    source: str


class ExportFile:
    """An open file of which this process alone is the writer; see ``open_export``."""

    def __init__(self, file: FileIO, note_path: Path, note: _Note) -> None:
        self._file = file
        self._note_path = note_path
        self._note = note

    @property
    def cursor(self) -> str | None:
        """Behind the last event that the file holds."""
        return self._note.cursor

    @property
    def is_empty(self) -> bool:
        return self._note.bytes == 0

    def append(self, data: bytes, cursor: str | None) -> None:
        """Adds bytes, so that they and the cursor behind them survive whatever comes."""
        _write(self._file, data)
        os.fsync(self._file.fileno())
        note = self._note
        self._note = _Note(note.bytes + len(data), cursor, note.format, note.source)
        keep(self._note_path, json.dumps(asdict(self._note)))


@contextmanager
def open_export(path: Path, *, form: str, source: str, cursor: str | None) -> Generator[ExportFile]:
    """The file, ready to be continued.

    Args:
        path: of the file; it may be missing, or empty.
        form: the name of the format.
        source: the name of the log.
        cursor: where a new file begins; None is the beginning of the log.

    Raises:
        ChronicleError: it is no file of this export, or another process writes to it.
    """
    note_path = path.with_name(f"{path.name}.cursor")
    note = _read(note_path)
    if note is not None and note.bytes and not path.exists():
        raise ChronicleError(
            f"{path} is gone, but {note_path.name} is there",
            hint=f"To begin again, remove {note_path}. To go on in a new file, give it another "
            f"name and say --cursor {note.cursor}.",
        )
    with path.open("a+b", buffering=0) as file:
        assert isinstance(file, FileIO)  # noqa: S101  that is what is opened without a buffer
        _lock(file, path)
        # Who had the lock before may have written it since.
        note = _read(note_path)
        if note is None:
            note = _begin(file, path, _Note(0, cursor, form, source))
            keep(note_path, json.dumps(asdict(note)))
        else:
            _check(note, path, form=form, source=source, cursor=cursor)
            _cut(file, path, note.bytes)
        yield ExportFile(file, note_path, note)


def keep(path: Path, line: str) -> None:
    """Replaces what a file says by one line: after a crash it says the one or the other, whole."""
    new = path.with_name(f"{path.name}.new")
    with new.open("w", encoding="utf-8") as file:
        file.write(f"{line}\n")
        _durable.replace(file, new, path)


def _read(path: Path) -> _Note | None:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return _Note(int(said["bytes"]), said["cursor"], said["format"], said["source"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise ChronicleError(
            f"{path} does not say how far the export has come",
            hint="It was written by something else. Give the export another name.",
        ) from error


def _lock(file: FileIO, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ChronicleError(
            f"another process exports to {path}",
            hint="Wait until it is done, or give this one another file.",
        ) from error


def _begin(file: FileIO, path: Path, note: _Note) -> _Note:
    if os.fstat(file.fileno()).st_size:
        raise ChronicleError(
            f"{path} is there, and was not exported by this command",
            hint="Give another name, or remove it. To add to it yourself, export to standard "
            "output with --cursor-file.",
        )
    return note


def _check(note: _Note, path: Path, *, form: str, source: str, cursor: str | None) -> None:
    if cursor is not None:
        raise ChronicleError(
            f"{path} goes on from {note.cursor}",
            hint="Leave --cursor out, or give another file.",
        )
    for what, ours, theirs in (("format", form, note.format), ("source", source, note.source)):
        if ours != theirs:
            raise ChronicleError(
                f"{path} was begun with --{what} {theirs}, not {ours}",
                hint=f"Say --{what} {theirs} to go on with it, or give another file.",
            )


def _cut(file: FileIO, path: Path, length: int) -> None:
    """Takes away what the last run wrote and did not come to note."""
    size = os.fstat(file.fileno()).st_size
    if size < length:
        raise ChronicleError(
            f"{path} has {size:,} bytes, and {length:,} were written",
            detail="Somebody has shortened it or put another in its place.",
            hint="Give another file, or remove this one and its .cursor to begin again.",
        )
    file.truncate(length)


def _write(file: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
