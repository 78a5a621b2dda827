"""Secrets of keys: text in base64url, kept where no other user of the machine can see it."""

import base64
import binascii
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from pgchronicle.errors import ChronicleError

_F = TypeVar("_F", bound=Callable[..., Any])


def secret_options(command: _F) -> _F:
    """The options --secret-file and --secret-stdin, to be read by ``read_secret``."""
    command = click.option(
        "--secret-stdin", is_flag=True, help="Read the secret, in base64url, from standard input."
    )(command)
    return click.option(
        "--secret-file",
        type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
        help="File that holds the secret in base64url.",
    )(command)


def read_secret(secret_file: Path | None, secret_stdin: bool) -> bytes | None:
    """The secret, if one was given.

    Raises:
        click.UsageError: it is no base64url, or both options were given.
    """
    if secret_file is not None and secret_stdin:
        raise click.UsageError("--secret-file and --secret-stdin exclude each other.")
    if secret_stdin:
        return _decoded(sys.stdin.read(), "Standard input")
    if secret_file is not None:
        return _decoded(secret_file.read_text(encoding="utf-8", errors="replace"), secret_file)
    return None


def encoded(secret: bytes) -> str:
    """A secret as these options take it."""
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


@contextmanager
def new_file(path: Path) -> Generator[Callable[[str], None]]:
    """A file for a secret, which is removed when anything fails; what it gives writes to the disk.

    Raises:
        ChronicleError: the file is there already, or cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise ChronicleError(
            f"{path} is there already",
            hint="It may hold the secret of a key. Give another name.",
        ) from error
    except OSError as error:
        raise ChronicleError(f"{path}: {error.strerror}") from error

    def write(secret: str) -> None:
        os.write(descriptor, f"{secret}\n".encode())
        os.fsync(descriptor)

    try:
        yield write
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _decoded(text: str, where: object) -> bytes:
    bare = text.strip().rstrip("=")
    try:
        # Also what other tools make, which is plain base64.
        plain = bare.replace("-", "+").replace("_", "/")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise click.UsageError(f"{where} holds no base64url.") from error
