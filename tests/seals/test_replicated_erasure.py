"""An erasure goes over to a copy that logical replication keeps."""

import time
from collections.abc import Iterator

import pytest

from ask import row, rows, run, value, values
from pgchronicle import embedded
from streaming import log
from support import INSTALLER, Cluster, Database, lent, make_template


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A server that can publish."""
    with embedded.Server(settings={"wal_level": "logical"}) as server:
        yield Cluster(server.host, server.port, "postgres", None)


def test_an_erasure_reaches_the_copy_of_the_log(
    cluster: Cluster, database_names: Iterator[str]
) -> None:
    template = next(database_names)
    make_template(cluster, template)
    original, copy = (Database(cluster, next(database_names)) for _ in range(2))
    for database in (original, copy):
        cluster.execute(
            "create database {} owner {} template {}", database.name, INSTALLER, template
        )
    for _, _ in zip(lent(original), lent(copy), strict=True):
        source = original.connect(cluster.superuser, autocommit=True)
        target = copy.connect(cluster.superuser, autocommit=True)
        owner = original.connect(autocommit=True)
        owner.execute("select chronicle.enable_erasure()")
        source.execute("create publication log for table chronicle.events, chronicle.erasures")
        source.execute("select pg_create_logical_replication_slot('log', 'pgoutput')")
        as_owner = ", run_as_owner = true" if source.info.server_version >= 160000 else ""
        run(
            target,
            f"create subscription log connection '{original.dsn(cluster.superuser)}' publication "
            f"log with (create_slot = false, slot_name = 'log', copy_data = false{as_owner})",
        )
        try:
            event_id = log(original.connect("app", autocommit=True), "a")
            admin = original.connect("admin", autocommit=True)
            admin.execute("select chronicle.erase_payload(%s, 'GDPR')", (event_id,))
            last = log(original.connect("app", autocommit=True), "b")
            deadline = time.monotonic() + 60
            there = "select count(*) from chronicle.events where event_id = %s"
            while not value(target, there, (last,)):
                assert time.monotonic() < deadline
            state = "select payload_error, payload_salt from chronicle.events where event_id = %s"
            assert row(target, state, (event_id,)) == ("erased", None)
            assert values(target, "select event_id from chronicle.erasures") == [event_id]
            leaves = "select chronicle.event_leaf(e, x.payload_digest) from chronicle.events as e"
            leaves += " inner join chronicle.erasures as x using (event_id)"
            assert rows(target, leaves) == rows(source, leaves)
        finally:
            target.execute("alter subscription log disable")
            target.execute("alter subscription log set (slot_name = none)")
            target.execute("drop subscription log")
            source.execute("select pg_drop_replication_slot('log')")
