"""The directories that clusters live in: where they go, who holds them, and which are left over."""

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from pgchronicle.embedded.account import Account
from pgchronicle.embedded.errors import EmbeddedError

# All that we put in the directory of a cluster; one that holds anything else is not ours.
DATA, NEW_DATA, SOCKET = "data", "data.new", "socket"
LOG, LOCK, PROGRAMS = "log", "lock", "programs"
_OURS = frozenset({DATA, NEW_DATA, SOCKET, LOG, LOCK, PROGRAMS})

_PREFIX = "pgchronicle-"
_MEMORY = Path("/dev/shm")  # noqa: S108  a directory made by mkdtemp goes below it
_MEMORY_WANTED = 2 * 1024**3

# A directory appears a moment before its owner holds the lock in it, so a young one is never swept.
_SWEEP_AGE_S = 60


def default_datadir(name: str = "demo") -> Path:
    """Where a cluster that is to stay is kept when nobody says otherwise.

    For root it is below /var/lib, since the account that runs the server cannot enter root's home.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/pgchronicle") / name
    data_home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data_home) / "pgchronicle" / name


def make_throw_away_home(account: Account | None, *, runs_programs: bool) -> Path:
    """A new directory in memory where there is room, else among the temporary files.

    Args:
        account: who must be able to enter it, when that is not the caller.
        runs_programs: whether programs will be run from it, which a mount may forbid.
    """
    for root in _throw_away_roots():
        if not os.access(root, os.W_OK | os.X_OK):
            continue
        if account is not None and not account.may_reach(root):
            continue
        if runs_programs and os.statvfs(root).f_flag & getattr(os, "ST_NOEXEC", 0):
            continue
        home = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        _open_to(home, account)
        return home
    raise EmbeddedError(
        "there is no directory for temporary files in which the server can run",
        hint="Let TMPDIR name one that the server's account may enter.",
    )


def make_durable_home(home: Path, account: Account | None) -> None:
    """Makes the directory of a cluster that stays, or takes the one that is there if it is ours.

    Raises:
        EmbeddedError: it holds other things, or the account cannot get there.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        strangers = sorted(entry.name for entry in home.iterdir() if entry.name not in _OURS)
        if strangers:
            raise EmbeddedError(
                f"{home} is not a directory of an embedded server",
                detail=f"It holds {strangers[0]}.",
                hint="Choose a directory that is empty or does not exist.",
            )
        _open_to(home, account)
    except OSError as error:
        raise EmbeddedError(f"cannot use {home}", detail=str(error)) from error
    if account is not None and not account.may_reach(home):
        raise EmbeddedError(
            f"the account that runs the server cannot enter {home}",
            detail="PostgreSQL does not run as root, and a directory above is closed to others.",
            hint=f"Choose a directory such as {default_datadir()}.",
        )


def hold(home: Path, *, wait_s: float) -> int | None:
    """Takes the lock of a directory: a descriptor that holds it until it is closed.

    The lock goes with the process that took it, however it ends. None when another one held it all
    the time.
    """
    lock = os.open(home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(lock)
                return None
            time.sleep(0.05)
        else:
            return lock


def leftovers() -> Iterator[Path]:
    """Throw-away directories whose owner was killed; each is held while the caller looks at it."""
    for root in _throw_away_roots():
        for home in root.glob(f"{_PREFIX}*"):
            try:
                status = home.lstat()
                if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
                    continue
                if time.time() - status.st_mtime < _SWEEP_AGE_S:
                    continue
                lock = hold(home, wait_s=0)
            except OSError:
                continue
            if lock is not None:
                try:
                    yield home
                finally:
                    os.close(lock)


def remove(home: Path) -> None:
    """Removes a directory of ours, or as much of it as can be."""
    shutil.rmtree(home, ignore_errors=True)


def give(path: Path, account: Account | None) -> None:
    """Hands a file or directory of ours to the account that runs the server."""
    if account is not None:
        os.chown(path, account.uid, account.gid)


def _open_to(home: Path, account: Account | None) -> None:
    # The account passes through the directory to what it owns inside; others find everything there
    # closed.
    home.chmod(0o700 if account is None else 0o711)


def _throw_away_roots() -> Iterator[Path]:
    roots = [Path(tempfile.gettempdir()), Path("/var/tmp"), Path("/tmp")]  # noqa: S108  as above
    if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _MEMORY_WANTED:
        roots.insert(0, _MEMORY)
    for root in dict.fromkeys(roots):
        if root.is_dir():
            yield root
