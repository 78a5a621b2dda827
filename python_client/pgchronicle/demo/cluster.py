"""The server of the demo. It stays when the demo has ended, so that one can look around."""

import shutil
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from pgchronicle.embedded import Server, default_datadir

DATABASE = "demo"
OWNER = "demo_owner"


def datadir() -> Path:
    """Where the demo's server lives."""
    return default_datadir("demo")


def server() -> Server:
    """The server, not yet started."""
    return Server(datadir=datadir(), detached=True)


def running_dsn() -> str | None:
    """The connection string of the demo's database, for its owner, if the server is running.

    It starts nothing: the server's own lock file says where its socket is.
    """
    try:
        lines = _lock_file().read_text().splitlines()
        dsn = make_conninfo(
            host=lines[4], port=lines[3], dbname=DATABASE, user=OWNER, options="", hostaddr=""
        )
        psycopg.connect(dsn).close()
    except (OSError, IndexError, psycopg.Error):
        return None
    return dsn


def stop() -> bool:
    """Stops the server and removes all that it kept. Returns whether there was anything."""
    if not datadir().exists():
        return False
    if _lock_file().exists():
        server().start().stop()
    shutil.rmtree(datadir())
    return True


def _lock_file() -> Path:
    return datadir() / "data" / "postmaster.pid"
