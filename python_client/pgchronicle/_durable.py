"""Replacing a file so that after a crash the one or the other is there, whole."""

import os
from pathlib import Path
from typing import IO, Any


def replace(file: IO[Any], new: Path, target: Path) -> None:
    """Gives a file that was written beside another one the other's name, for good.

    Args:
        file: what was written, still open.
        new: its name.
        target: the name that it gets, in the same directory.

    Raises:
        OSError: it could not be put on the disk, or get the name.
    """
    file.flush()
    os.fsync(file.fileno())
    new.replace(target)
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
