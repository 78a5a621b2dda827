"""A file that a command writes as a whole: afterwards it is there, or what was there before."""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import click

from pgchronicle import _durable
from pgchronicle.command._progress import stopped_by_sigterm
from pgchronicle.errors import ChronicleError

_F = TypeVar("_F", bound=Callable[..., Any])


def force_option(command: _F) -> _F:
    """The option --force, which ``new_file`` takes."""
    return click.option(
        "--force", is_flag=True, help="Let --output replace a file that is there already."
    )(command)


def check_new(path: Path, *, force: bool) -> None:
    """Whether ``new_file`` would write there, to be asked before anything takes long.

    Raises:
        click.UsageError: it is a device, a pipe or a directory.
        ChronicleError: it is there already, and not to be replaced; or in no directory.
    """
    try:
        target = path.resolve()
        is_there, is_file = target.exists(), target.is_file()
        has_directory = target.parent.is_dir()
    except OSError as error:
        raise ChronicleError(f"{path} can not be written: {error.strerror}") from error
    if str(path) == "-" or (is_there and not is_file):
        raise click.UsageError(f"{path} is no regular file, and --output writes no other.")
    if is_there and not force:
        raise ChronicleError(
            f"{path} is there already", hint="Give another name, or say --force to replace it."
        )
    if not has_directory:
        raise ChronicleError(f"{path} can not be written: there is no directory {target.parent}")


@contextmanager
def new_file(path: Path, *, force: bool) -> Generator[BinaryIO]:
    """A file that gets its name once all is on the disk, and of which nothing stays otherwise.

    A symbolic link stays one, and SIGTERM is an interruption.

    Raises:
        click.UsageError, ChronicleError: as ``check_new``; or it can not be written.
    """
    check_new(path, force=force)
    target = path.resolve()
    # Of this process alone: another one may write the same file.
    new = target.with_name(f"{target.name}.{os.getpid()}.new")
    with stopped_by_sigterm():
        try:
            with new.open("xb") as file:
                yield file
                _durable.replace(file, new, target)
        except OSError as error:
            raise ChronicleError(f"{path} can not be written: {error.strerror}") from error
        finally:
            new.unlink(missing_ok=True)
