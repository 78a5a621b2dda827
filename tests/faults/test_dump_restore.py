"""A dump that is restored into another database is the same log, and goes on as one."""

import re
import subprocess
import uuid
from collections.abc import Iterator

import pytest

from ask import row, rows, run, sqlstate, value, values
from capturing import changes, track
from support import INSTALLER, Cluster, Connection, Database

LOG_ONCE = """
    select chronicle.log_audit_event(
        _actor_type => 'user', _action_type => 'read', _resource_type => 'page', _event_id => %s
    )
"""


def dump(database: Database, *options: str) -> str:
    """What pg_dump writes, without what differs each time or is of its own version only."""
    text = subprocess.run(
        [database.cluster.program("pg_dump"), *options],
        env=database.environment(database.cluster.superuser),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return re.sub(r"^(\\(un)?restrict .*|SET transaction_timeout = .*)\n", "", text, flags=re.M)


@pytest.fixture
def copy(cluster: Cluster, database_names: Iterator[str]) -> Iterator[Database]:
    """An empty database in which oids are others."""
    name = next(database_names)
    cluster.execute("create database {} owner {}", name, INSTALLER)
    made = Database(cluster, name)
    with made.connect(cluster.superuser, autocommit=True) as superuser:
        superuser.execute("create table public.in_the_way (a integer, b text)")
        superuser.execute("drop table public.in_the_way")
    yield made
    made.close()
    cluster.execute("drop database {} with (force)", name)


def restore(database: Database, text: str) -> None:
    subprocess.run(
        [database.cluster.program("psql"), "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1"],
        input=text,
        env=database.environment(database.cluster.superuser),
        capture_output=True,
        text=True,
        check=True,
    )


EVERYTHING = "select * from chronicle.events order by seq"


@pytest.fixture
def original(database: Database) -> Connection:
    """The installer's session in a log with events of every kind."""
    installer = database.connect(autocommit=True)
    installer.execute(
        'create table public.item (id integer primary key, "Name" text, password text, org text)'
    )
    installer.execute("create table public.part (id integer) partition by range (id)")
    installer.execute("create table public.part_default partition of public.part default")
    track(installer, "_organization_column => 'org'")
    track(installer, table="public.part")
    installer.execute("insert into public.item values (1, 'a', 'secret', 'acme')")
    installer.execute("insert into public.part values (1)")
    installer.execute("select chronicle.add_administrator('reader_a', 'acme')")
    installer.execute("select chronicle.set_setting('payload_limit_bytes', '5000')")
    installer.execute("select chronicle.ensure_partitions(5)")
    return installer


def test_a_restored_log_is_the_same_and_goes_on(
    database: Database, original: Connection, copy: Database
) -> None:
    event_id = uuid.uuid4()
    original.execute(LOG_ONCE, (event_id,))
    restore(copy, dump(database))
    assert dump(copy, "--schema-only") == dump(database, "--schema-only")
    restored = copy.connect(autocommit=True)
    assert rows(restored, EVERYTHING) == rows(original, EVERYTHING)
    tracked = "select * from chronicle.tracked_tables order by table_id"
    assert rows(restored, tracked) == rows(original, tracked)
    before = len(changes(restored))

    # Capture, ids, order and settings go on where they were.
    restored.execute("update public.item set \"Name\" = 'b', password = 'other'")
    restored.execute("delete from public.part")
    assert changes(restored)[before:] == [
        (
            *("UPDATE", "1", {"Name": "a", "password": "[masked]"}),
            *({"Name": "b", "password": "[masked]"}, ["Name", "password"]),
        ),
        ("DELETE", None, {"id": 1}, None, None),
    ]
    assert value(restored, LOG_ONCE, (event_id,)) == event_id
    too_large = LOG_ONCE.replace("'page'", "'page', _reason => repeat('x', 5001)")
    assert sqlstate(restored, too_large, (uuid.uuid4(),)) == "54000"
    assert row(restored, "select count(*) = count(distinct seq) from chronicle.events") == (True,)
    table_id = value(
        restored, "select table_id from chronicle.tracked_tables where table_name = 'item'"
    )
    restored.execute("select chronicle.disable_tracking('public.item')")
    track(restored, "_organization_column => 'org'")
    assert (
        value(restored, "select table_id from chronicle.tracked_tables where table_name = 'item'")
        == table_id
    )


@pytest.mark.parametrize("table", ["item", "part"])
@pytest.mark.parametrize("session", ["the same session", "a new session"])
def test_a_restored_table_that_is_altered_is_still_recorded(
    database: Database, original: Connection, copy: Database, table: str, session: str
) -> None:
    original.execute("create table public.other (id integer)")
    restore(copy, dump(database))
    restored = copy.connect(autocommit=True)
    run(restored, f"insert into public.{table} (id) values (7)")
    run(restored, f"alter table public.{table} add column note text")
    writer = restored if session == "the same session" else copy.connect(autocommit=True)
    run(writer, f"insert into public.{table} (id, note) values (8, 'n')")
    recorded = rows(
        restored,
        "select payload_error is null from chronicle.row_changes where table_name = %s "
        "order by seq desc limit 2",
        (table,),
    )
    assert recorded == [(False,), (True,)]
    track(
        restored,
        "_organization_column => 'org'" if table == "item" else "null",
        table=f"public.{table}",
    )
    run(writer, f"insert into public.{table} (id, note) values (9, 'm')")
    assert changes(restored)[-1][3]["note"] == "m"


def test_a_restored_log_is_as_closed_as_it_was(
    database: Database, original: Connection, copy: Database
) -> None:
    restore(copy, dump(database))
    reader = copy.connect("reader_a", autocommit=True)
    assert set(values(reader, "select organization_id from chronicle.events")) == {"acme"}
    partitions = values(
        original,
        "select inhrelid::regclass::text from pg_inherits "
        "where inhparent = 'chronicle.events'::regclass",
    )
    superuser = copy.connect(copy.cluster.superuser, autocommit=True)
    for table in ("chronicle.events", *partitions):
        assert sqlstate(superuser, f"truncate {table}") == "ZC003"
        assert sqlstate(superuser, f"delete from {table}") == "ZC003"
        if table != "chronicle.events":
            assert sqlstate(reader, f"select * from {table}") == "42501"
    stranger = copy.connect("stranger", autocommit=True)
    assert sqlstate(stranger, "select * from chronicle.events") == "42501"


def test_a_single_table_may_be_restored_without_its_history(
    database: Database, original: Connection
) -> None:
    """As with pg_restore --data-only: rows come in through the triggers, under an empty path."""
    data = dump(database, "--data-only", "--table=public.item")
    original.execute("delete from public.item")
    restore(database, data)
    assert [each[:2] for each in changes(original)] == [
        *(("INSERT", "1"), ("INSERT", None), ("DELETE", "1"), ("INSERT", "1"))
    ]
