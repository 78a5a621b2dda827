"""The account that the server runs under: PostgreSQL refuses to run as root."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from pgchronicle.embedded.errors import EmbeddedError


@dataclass(frozen=True, slots=True)
class Account:
    """An unprivileged account that root starts the server under."""

    uid: int
    gid: int

    def may_reach(self, directory: Path) -> bool:
        """Whether every directory on the way can be passed through, by permission bits alone."""
        directory = directory.resolve()
        return all(self._may(path, stat.S_IXUSR) for path in (directory, *directory.parents))

    def may_run(self, program: Path) -> bool:
        """Whether the file may be read and executed, by permission bits alone."""
        return self._may(program, stat.S_IRUSR) and self._may(program, stat.S_IXUSR)

    def _may(self, path: Path, owner_bit: int) -> bool:
        status = path.stat()
        if status.st_uid == self.uid:
            wanted = owner_bit
        elif status.st_gid == self.gid:
            wanted = owner_bit >> 3
        else:
            wanted = owner_bit >> 6
        return bool(status.st_mode & wanted)


def server_account() -> Account | None:
    """The account to change to, or None where the server runs as its caller.

    Raises:
        EmbeddedError: the caller has no name, or is root and has nobody to hand over to.
    """
    if os.geteuid() != 0:
        try:
            pwd.getpwuid(os.geteuid())
        except KeyError as error:
            raise EmbeddedError(
                f"the user id {os.geteuid()} has no name",
                detail="PostgreSQL's initdb asks for the name of whoever runs it.",
                hint="Add a line for it to /etc/passwd, or use a server that is already running.",
            ) from error
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        "PostgreSQL does not run as root, and there is no account to run it under",
        detail="Neither postgres nor nobody is in /etc/passwd.",
        hint="Run this as an ordinary user.",
    )
