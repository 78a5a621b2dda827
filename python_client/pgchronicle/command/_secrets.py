"""Secrets of keys: text in base64url, read from where no other user of the machine can see it."""

import base64
import binascii
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

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


def _decoded(text: str, where: object) -> bytes:
    bare = text.strip().rstrip("=")
    try:
        # Also what other tools make, which is plain base64.
        plain = bare.replace("-", "+").replace("_", "/")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise click.UsageError(f"{where} holds no base64url.") from error
