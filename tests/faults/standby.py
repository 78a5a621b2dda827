"""A hot standby of a server."""

import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ask import value
from pgchronicle import embedded
from pgchronicle.embedded.account import server_account
from pgchronicle.embedded.homes import DATA, give
from streaming import SETTINGS
from support import Cluster, Connection


@contextmanager
def standby_of(primary: Cluster) -> Generator[Cluster]:
    """A standby that follows a server, and answers queries."""
    try:
        program = primary.program("pg_basebackup")
    except embedded.EmbeddedError as error:
        pytest.skip(str(error))
    with tempfile.TemporaryDirectory(prefix="pgchronicle_standby-") as directory:
        home = Path(directory)
        subprocess.run(
            [
                *(program, "-D", home / DATA, "-c", "fast", "--no-sync"),
                *("-h", primary.host, "-p", str(primary.port), "-U", primary.superuser),
            ],
            check=True,
            capture_output=True,
        )
        (home / DATA / "standby.signal").touch()
        # The account that runs the server for root must get through, and owns what is its own.
        home.chmod(0o711)
        for path in (home / DATA, *(home / DATA).rglob("*")):
            give(path, server_account())
        # pg_basebackup would write it down as its own version understands it.
        settings = {**SETTINGS, "fsync": False, "primary_conninfo": primary.dsn("postgres")}
        with embedded.Server(datadir=home, settings=settings) as server:
            yield Cluster(server.host, server.port, primary.superuser, None)


def wait_for_replay(primary: Connection, standby: Connection) -> None:
    """Returns as soon as the standby has replayed all that is committed."""
    position = value(primary, "select pg_current_wal_flush_lsn()")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if value(standby, "select pg_last_wal_replay_lsn() >= %s", (position,)):
            return
    raise AssertionError("the standby does not follow")
