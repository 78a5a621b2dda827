"""A server of the test's own, and reading the stream of its log.

What is settled depends on every transaction of the server, in whichever database. On a server that
is shared with other tests, theirs would hold it back.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from psycopg.rows import namedtuple_row

from ask import run, value, values
from pgchronicle import embedded
from support import INSTALLER, Cluster, Connection, Database, lent, make_template

SETTINGS: dict[str, str | int | float | bool] = {
    "max_prepared_transactions": 20,
    # It takes transaction ids whenever it likes.
    "autovacuum": False,
}

_TEMPLATE = "chronicle_template"


@contextmanager
def quiet_cluster() -> Generator[Cluster]:
    """A server on which nothing happens but what the test does, with the roles of the others."""
    with embedded.Server(settings=SETTINGS) as server:
        cluster = Cluster(server.host, server.port, "postgres", None)
        make_template(cluster, _TEMPLATE)
        yield cluster


def migrated_database(cluster: Cluster, name: str) -> Iterator[Database]:
    """A migrated database on a quiet cluster; what a fixture yields from."""
    cluster.execute("create database {} owner {} template {}", name, INSTALLER, _TEMPLATE)
    for one in lent(Database(cluster, name)):
        yield one
        # What a test that failed has left prepared would hold back all that come after it.
        with one.connect(cluster.superuser, autocommit=True) as superuser:
            for gid in values(superuser, "select gid from pg_prepared_xacts"):
                run(superuser, f"rollback prepared '{gid}'")


def log(session: Connection, resource_id: object) -> Any:
    """Logs the reading of a page; gives the id of the event."""
    found = session.execute(
        """
        select chronicle.log_audit_event(
            _actor_type => 'user', _action_type => 'read', _resource_type => 'page',
            _resource_id => %s::text
        )
        """,
        (str(resource_id),),
    ).fetchone()
    assert found is not None
    return found[0]


def take_id(session: Connection) -> int:
    """Gives the session's transaction its id now, whatever it writes later."""
    number: int = value(session, "select pg_current_xact_id()::text::bigint")
    return number


@dataclass(slots=True)
class Consumer:
    """Reads the stream and keeps the cursor.

    Args:
        connection: the session in which it reads.
        limit: how many events it takes at a time.
        cursor: behind which event it begins; None: from the beginning.
    """

    connection: Connection
    limit: int = 1000
    cursor: str | None = None

    def poll(self) -> list[Any]:
        """The next events at once, as named tuples of all columns."""
        with self.connection.cursor(row_factory=namedtuple_row) as cursor:
            found: list[Any] = cursor.execute(
                """
                select chronicle.event_cursor(e) as cursor, e.*
                from chronicle.events_since(%s, %s) as e
                """,
                (self.cursor, self.limit),
            ).fetchall()
        if found:
            assert found[-1].cursor != self.cursor, "the stream does not move on"
            self.cursor = found[-1].cursor
        return found

    def drain(self) -> list[Any]:
        """All events that are settled and not read yet."""
        drained: list[Any] = []
        while found := self.poll():
            drained += found
        return drained

    def names(self) -> list[str]:
        """What ``drain`` gives, each as action type and resource id: "read a"."""
        return [f"{each.action_type} {each.resource_id}" for each in self.drain()]
