"""A dump that is restored into another database is the same log, and goes on as one."""

import re
import subprocess
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from ask import Refusal, refusal, row, rows, run, sqlstate, value, values
from capturing import changes, track
from pgchronicle import embedded
from pgchronicle.migrate import migrate
from support import INSTALLER, Cluster, Connection, Database

LOG_ONCE = """
    select chronicle.log_audit_event(
        _actor_type => 'user', _action_type => 'read', _resource_type => 'page', _event_id => %s
    )
"""


DUMPER = "dumper"
"""Whom row-level security lets through, and who may read everything; no superuser."""


def dump(database: Database, *options: str, user: str | None = None) -> str:
    """What pg_dump writes, without what differs each time or is of its own version only."""
    text = subprocess.run(
        [database.cluster.program("pg_dump"), *options],
        env=database.environment(user or database.cluster.superuser),
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


def partitions(session: Connection) -> list[str]:
    """The names of the log's partitions."""
    return values(
        session,
        "select inhrelid::regclass::text from pg_inherits "
        "where inhparent = 'chronicle.events'::regclass",
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
    superuser = copy.connect(copy.cluster.superuser, autocommit=True)
    for table in ("chronicle.events", *partitions(original)):
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


# History.


@dataclass(frozen=True, slots=True)
class Lived:
    """A database with a past."""

    database: Database
    owner: Connection
    moments: tuple[datetime, ...]
    """Before the first row, amid the changes, and after them."""


def make_past(database: Database) -> Lived:
    """Tables with history: columns that were dropped and renamed, keys that changed, rows that
    went, moved and were truncated, and a table that has got another name and another schema."""
    owner = database.connect(autocommit=True)
    moments: list[datetime] = []
    for statement in (
        # What is dropped before and after leaves gaps in the columns' numbers, which a restore
        # closes.
        """
        create table public.item (
            gone integer, id integer primary key, name text, later text, price numeric, j json
        )
        """,
        "alter table public.item drop column gone",
        """
        create table public.part (id integer primary key, v text) partition by range (id)
        """,
        "create table public.part_low partition of public.part for values from (0) to (10)",
        "create table public.part_high (gone integer, v text, id integer not null)",
        "alter table public.part_high drop column gone",
        "alter table public.part attach partition public.part_high for values from (10) to (20)",
        "select chronicle.enable_tracking('public.item')",
        "select chronicle.enable_tracking('public.part', _capture => 'full')",
        None,
        """
        insert into public.item
        values (1, 'a', 'x', 1.0, '{"b":1}'), (2, 'b', 'y', null, 'null'), (3, 'c', null, 3, null)
        """,
        "update public.item set price = 1.00 where id = 1",
        "insert into public.part values (1, 'a'), (2, 'b'), (11, 'c')",
        "alter table public.item drop column later",
        "select chronicle.refresh_tracking()",
        None,
        "alter table public.item rename column name to title",
        "select chronicle.refresh_tracking()",
        "update public.item set title = 'd', id = 20 where id = 2",
        "delete from public.item where id = 3",
        "update public.part set id = 12 where id = 1",
        "truncate public.part_low",
        "alter table public.item rename to thing",
        "create schema store",
        "alter table public.thing set schema store",
        "update store.thing set title = 'e' where id = 20",
    ):
        if statement is None:
            moments.append(value(owner, "select clock_timestamp()"))
        else:
            run(owner, statement)
    moments.append(value(owner, "select clock_timestamp()"))
    return Lived(database, owner, tuple(moments))


@pytest.fixture
def lived(database: Database) -> Lived:
    """The past in a database of the server that is tested."""
    database.cluster.make_role(DUMPER, "login bypassrls in role pg_read_all_data")
    return make_past(database)


def past(session: Connection, moments: Iterable[datetime]) -> dict[str, list[Any]]:
    """All that history says of these tables up to the last of these moments."""
    moments = list(moments)
    said: dict[str, list[Any]] = {}
    for table, ids in (("store.thing", ("1", "2", "20", "3")), ("public.part", ("1", "2", "12"))):
        for id_ in ids:
            said[f"history of {table} {id_}"] = rows(
                session,
                f"select * from chronicle.record_history('{table}', %s) where occurred_at <= %s",
                (id_, moments[-1]),
            )
        for moment in moments:
            said[f"{table} at {moment}"] = rows(
                session,
                f"select r::text from chronicle.rows_as_of(null::{table}, %s) as r order by 1",
                (moment,),
            )
            said[f"records of {table} at {moment}"] = [
                value(session, f"select chronicle.record_as_of('{table}', %s, %s)", (id_, moment))
                for id_ in ids
            ]
    return said


def outcomes(session: Connection) -> set[str]:
    """What refresh_tracking says of all tables."""
    return set(values(session, "select outcome from chronicle.refresh_tracking()"))


def test_the_past_is_what_it_was(lived: Lived) -> None:
    """Of what the tests below compare, so that they do not compare nothing with nothing."""
    _, amid, _ = lived.moments
    said = past(lived.owner, lived.moments)
    assert [said[f"store.thing at {moment}"] for moment in lived.moments] == [
        [],
        [('(1,a,1.00,"{""b"":1}")',), ("(2,b,,null)",), ("(3,c,3,)",)],
        [('(1,a,1.00,"{""b"":1}")',), ("(20,e,,null)",)],
    ]
    assert [said[f"public.part at {moment}"] for moment in lived.moments] == [
        [],
        [("(1,a)",), ("(11,c)",), ("(2,b)",)],
        [("(11,c)",), ("(12,a)",)],
    ]
    assert said[f"records of public.part at {amid}"] == [
        {"id": 1, "v": "a"},
        {"id": 2, "v": "b"},
        None,
    ]
    assert len(said["history of store.thing 20"]) == 3


def test_a_restored_history_is_the_same_and_goes_on(lived: Lived, copy: Database) -> None:
    expected = past(lived.owner, lived.moments)
    restore(copy, dump(lived.database, user=DUMPER))
    restored = copy.connect(autocommit=True)
    check_it_goes_on(restored, lived.moments, expected)


def check_it_goes_on(
    restored: Connection, moments: Iterable[datetime], expected: dict[str, list[Any]]
) -> None:
    assert past(restored, moments) == expected
    # Before anybody does anything about it, changes are recorded.
    restored.execute("insert into store.thing values (4, 'f', 4.0, null)")
    restored.execute("update public.part set v = 'f' where id = 12")
    assert past(restored, moments) == expected
    assert outcomes(restored) == {"refreshed"}
    assert outcomes(restored) == {"unchanged"}
    restored.execute("update store.thing set price = 4.00 where id = 4")
    moment = value(restored, "select clock_timestamp()")
    restored.execute("delete from store.thing where id in (4, 20)")
    restored.execute("truncate public.part")
    assert past(restored, moments) == expected
    images = [
        f'{{"j": null, "id": 4, "price": {price}, "title": "f"}}' for price in ("4.0", "4.00")
    ]
    assert rows(
        restored,
        """
        select action, old_values::text, new_values::text, is_complete
        from chronicle.record_history('store.thing', '4')
        """,
    ) == [
        ("INSERT", None, images[0], True),
        ("UPDATE", *images, True),
        ("DELETE", images[1], None, True),
    ]
    assert values(
        restored,
        "select r::text from chronicle.rows_as_of(null::store.thing, %s) as r order by 1",
        (moment,),
    ) == ['(1,a,1.00,"{""b"":1}")', "(20,e,,null)", "(4,f,4.00,)"]
    assert values(
        restored,
        "select r::text from chronicle.rows_as_of(null::public.part, %s) as r order by 1",
        (moment,),
    ) == ["(11,c)", "(12,f)"]
    assert row(restored, "select count(*) = count(distinct seq) from chronicle.events") == (True,)


def test_a_dump_that_would_leave_events_out_is_refused(lived: Lived) -> None:
    """By a role that may read everything, and whom row-level security does not let through."""
    lived.database.cluster.make_role("reads_all", "login in role pg_read_all_data")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        dump(lived.database, user="reads_all")
    assert "affected by row-level security" in refused.value.stderr


@pytest.fixture
def older(server_version: int) -> Iterator[Database]:
    """A database of a server of an earlier major version."""
    if server_version < 170000:
        pytest.skip("the earlier version at hand is 16")
    with embedded.Server(embedded.find_bindir(16)) as server:
        cluster = Cluster(server.host, server.port, "postgres", None)
        cluster.make_role(INSTALLER, "login createrole")
        cluster.make_role(DUMPER, "login bypassrls in role pg_read_all_data")
        cluster.execute("create database old owner {}", INSTALLER)
        made = Database(cluster, "old")
        migrate(made.dsn())
        yield made
        made.close()


def test_history_comes_along_into_a_newer_version(older: Database, copy: Database) -> None:
    lived = make_past(older)
    expected = past(lived.owner, lived.moments)
    restore(copy, dump(older, user=DUMPER))
    check_it_goes_on(copy.connect(autocommit=True), lived.moments, expected)


def test_data_that_are_restored_without_triggers_are_not_recorded_again(
    lived: Lived, copy: Database
) -> None:
    """As with pg_dump --data-only --disable-triggers into a schema restored before."""
    expected = past(lived.owner, lived.moments)
    restore(copy, dump(lived.database, "--schema-only"))
    restore(copy, dump(lived.database, "--data-only", "--disable-triggers", user=DUMPER))
    restored = copy.connect(autocommit=True)
    assert rows(restored, EVERYTHING) == rows(lived.owner, EVERYTHING)
    # The script leaves triggers that fire always as ones that do not.
    assert set(values(restored, "select state from chronicle.tracked_tables")) == {"broken"}
    check_it_goes_on(restored, lived.moments, expected)
    assert set(values(restored, "select state from chronicle.tracked_tables")) == {"tracked"}
    restored.execute("select chronicle.ensure_partitions()")
    superuser = copy.connect(copy.cluster.superuser, autocommit=True)
    superuser.execute("set session_replication_role = replica")
    for table in ("chronicle.events", "chronicle.event_keys", *partitions(restored)):
        assert sqlstate(superuser, f"truncate {table}") == "ZC003"
        assert sqlstate(superuser, f"delete from {table}") == "ZC003"
    assert (
        values(
            superuser,
            """
            select tgrelid::regclass || ' ' || tgname from pg_trigger
            where tgname ~ '_(reject|check)_' and tgenabled <> 'A'
            """,
        )
        == []
    )


REGISTRIES = (
    *("settings", "table_registry", "tracking_periods", "resource_types", "actions"),
    *("administrators", "events_seq", "epochs", "seal_state"),
)
"""What the log knows of tables and of itself, beside its events."""


def test_a_copy_without_rows_is_an_empty_log_that_goes_on(lived: Lived, copy: Database) -> None:
    """As for a staging database: the schema, and of the data only what the log goes by."""
    restore(copy, dump(lived.database, "--schema-only"))
    tables = [f"--table=chronicle.{name}" for name in REGISTRIES]
    restore(copy, dump(lived.database, "--data-only", *tables))
    restored = copy.connect(autocommit=True)
    assert rows(restored, EVERYTHING) == []
    assert outcomes(restored) == {"refreshed"}
    restored.execute("insert into store.thing values (1, 'a', 1, null)")
    restored.execute("insert into public.part values (1, 'a')")
    moment = value(restored, "select clock_timestamp()")
    restored.execute("update store.thing set id = 2")
    restored.execute("truncate public.part")
    assert rows(
        restored,
        """
        select table_name, action, record_id, old_values, new_values
        from chronicle.row_changes where record_id is not null order by seq
        """,
    ) == [
        ("thing", "INSERT", "1", None, {"id": 1, "title": "a", "price": 1, "j": None}),
        ("part", "INSERT", "1", None, {"id": 1, "v": "a"}),
        ("thing", "UPDATE", "2", {"id": 1}, {"id": 2}),
        ("part", "TRUNCATE", "1", {"id": 1, "v": "a"}, None),
    ]
    assert value(restored, "select chronicle.record_as_of('store.thing', '1', %s)", (moment,)) == {
        "id": 1,
        "title": "a",
        "price": 1,
        "j": None,
    }


def test_a_table_of_a_copy_without_rows_can_be_tracked_anew(lived: Lived, copy: Database) -> None:
    """Without the registries nothing is known of it but its triggers."""
    restore(copy, dump(lived.database, "--schema-only"))
    restored = copy.connect(autocommit=True)
    # In another order than that of the numbers that their functions carry.
    for table in ("public.part", "store.thing"):
        track(restored, table=table)
    restored.execute("insert into store.thing values (1, 'a', 1, null)")
    restored.execute("insert into public.part values (1, 'a')")
    assert rows(
        restored,
        "select table_name, record_id, new_values from chronicle.row_changes order by seq",
    ) == [
        ("thing", "1", {"id": 1, "title": "a", "price": 1, "j": None}),
        ("part", "1", {"id": 1, "v": "a"}),
    ]
    restored.execute("truncate public.part")
    assert refusal(restored, "select chronicle.seal_events()") == Refusal(
        "55000",
        "nothing is sealed: chronicle.epochs and chronicle.seal_state were restored without their "
        "rows",
        None,
        "Restore their data as well: pg_dump --data-only --table=chronicle.epochs "
        "--table=chronicle.seal_state.",
    )
    assert sqlstate(restored, "select chronicle.begin_epoch('x')") == "55000"
    assert value(restored, "select chronicle.stream_head()")
    run(restored, "select * from chronicle.events_since()")


# What the server's keepers do to the log.


@pytest.mark.parametrize(
    "statement",
    [
        "vacuum (full, analyze) {}",
        "reindex table {}",
        "cluster {} using {}_pkey",
        "alter table {} set (fillfactor = 90)",
        "analyze {}",
    ],
)
def test_upkeep_of_the_log_changes_nothing(lived: Lived, statement: str) -> None:
    expected = past(lived.owner, lived.moments)
    before = rows(lived.owner, EVERYTHING)
    superuser = lived.database.connect(lived.database.cluster.superuser, autocommit=True)
    for partition in partitions(lived.owner):
        run(superuser, statement.format(partition, partition.removeprefix("chronicle.")))
    assert rows(lived.owner, EVERYTHING) == before
    check_it_goes_on_unrestored(lived, expected)


def check_it_goes_on_unrestored(lived: Lived, expected: dict[str, list[Any]]) -> None:
    assert past(lived.owner, lived.moments) == expected
    lived.owner.execute("update store.thing set title = 'g' where id = 1")
    assert changes(lived.owner)[-1] == (
        *("UPDATE", "1", {"title": "a"}, {"title": "g"}, ["title"]),
    )
    assert past(lived.owner, lived.moments) == expected
