"""Conformance, cases 13 to 32: every change is an event, once, in order, with who made it.
README.md says which test holds which case."""

import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from ask import rows, run, sqlstate, value, values
from capturing import ITEM, changes, make, track
from pgchronicle import embedded
from pgchronicle.migrate import migrate
from support import INSTALLER, Cluster, Connection, Database

# Truncate.


def truncates(db: Connection) -> list[Any]:
    """The events of truncates: whose, what it was, and what was counted."""
    return rows(
        db,
        """
        select e.resource_type, e.action, e.action_type, e.resource_id, e.details_before,
            e.action_meta
        from chronicle.events as e
        where e.action = e.resource_type || '.truncate' order by e.seq
        """,
    )


def rows_of_truncates(db: Connection) -> dict[str, Any]:
    """The rows that truncates took away, by key; each once, and as many as were counted."""
    found = truncates(db)
    gone = [(key, before) for *_, key, before, _ in found if key is not None]
    counts = [(meta["rows"], meta["recorded"]) for *_, meta in found if meta is not None]
    assert (sum(n for n, _ in counts), sum(n for _, n in counts)) == (len(gone), len(gone))
    assert len(dict(gone)) == len(gone)
    return dict(gone)


def test_a_truncate_is_each_row_and_then_itself(db: Connection) -> None:
    """Case 13: the rows that a truncate takes away are recorded before they go."""
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1.50), (2, null, null)")
    db.execute("truncate public.item")
    assert value(db, "select count(*) from public.item") == 0
    what = ("item", "item.truncate", "delete")
    found = truncates(db)
    assert sorted(found[:2], key=lambda each: each[3]) == [
        (*what, "1", {"id": 1, "name": "a", "price": 1.5}, None),
        (*what, "2", {"id": 2, "name": None, "price": None}, None),
    ]
    assert found[2:] == [(*what, None, None, {"rows": 2, "recorded": 2})]
    assert [each[0] for each in changes(db)] == ["INSERT"] * 2 + ["TRUNCATE"] * 3


def test_a_truncate_of_no_rows_is_recorded(db: Connection) -> None:
    """Case 13: that a truncate was made is an event, also when nothing was there."""
    make(db, ITEM)
    db.execute("truncate public.item restart identity")
    assert truncates(db) == [
        ("item", "item.truncate", "delete", None, None, {"rows": 0, "recorded": 0})
    ]


def test_a_truncate_that_cascades_records_the_rows_of_each_table(db: Connection) -> None:
    """Case 14: the rows of tables that refer to the truncated one go as well."""
    make(db, ITEM)
    db.execute("create table public.part (id integer primary key references public.item)")
    track(db, table="public.part")
    db.execute("insert into public.item values (1, 'a', 1)")
    db.execute("insert into public.part values (1)")
    db.execute("truncate public.item cascade")
    assert {(name, key, str(meta)) for name, _, _, key, _, meta in truncates(db)} == {
        *(("item", "1", "None"), ("item", None, "{'rows': 1, 'recorded': 1}")),
        *(("part", "1", "None"), ("part", None, "{'rows': 1, 'recorded': 1}")),
    }


def make_partitioned(db: Connection) -> None:
    db.execute(
        "create table public.item (id integer primary key, name text) partition by range (id)"
    )
    db.execute("create table public.item_low partition of public.item for values from (0) to (10)")
    db.execute(
        "create table public.item_high partition of public.item for values from (10) to (99) "
        "partition by range (id)"
    )
    db.execute("create table public.item_tens (name text, gone integer, id integer not null)")
    db.execute("alter table public.item_tens drop column gone")
    db.execute(
        "alter table public.item_high "
        "attach partition public.item_tens for values from (10) to (20)"
    )
    db.execute("create table public.item_more partition of public.item_high default")


def test_a_truncate_of_a_partitioned_table_records_the_rows_of_all_leaves_once(
    db: Connection,
) -> None:
    """Case 15: of a partitioned table, as one table."""
    make_partitioned(db)
    track(db)
    db.execute("insert into public.item select n, 'a' from unnest(array[1, 2, 11, 21]) as n")
    db.execute("truncate public.item")
    assert rows_of_truncates(db) == {str(n): {"id": n, "name": "a"} for n in (1, 2, 11, 21)}
    assert set(values(db, "select table_name from chronicle.row_changes")) == {"item"}


@pytest.mark.parametrize(
    ("leaf", "kept", "gone"),
    [
        ("item_low", [11, 21], [1, 2]),
        ("item_tens", [1, 2, 21], [11]),
        ("item_high", [1, 2], [11, 21]),
    ],
)
def test_a_truncate_of_one_partition_records_its_rows_under_the_table(
    db: Connection, leaf: str, kept: list[int], gone: list[int]
) -> None:
    """Case 15: of a leaf, and of a part that has leaves of its own."""
    make_partitioned(db)
    track(db)
    db.execute("insert into public.item select n, 'a' from unnest(array[1, 2, 11, 21]) as n")
    run(db, f"truncate public.{leaf}")
    assert values(db, "select id from public.item order by id") == kept
    assert rows_of_truncates(db) == {str(n): {"id": n, "name": "a"} for n in gone}
    assert {each[0] for each in truncates(db)} == {"item"}


# Statements.


def note_the_order(db: Connection) -> None:
    """Has each row of public.item that is written noted, in the order in which it is written."""
    db.execute("create table public.noted (place serial, what text, id integer)")
    db.execute(
        """
        create function public.note() returns trigger language plpgsql as $$
        begin
            insert into public.noted (what, id)
            values (tg_op, case tg_op when 'DELETE' then old.id else new.id end);
            return case tg_op when 'DELETE' then old else new end;
        end
        $$
        """
    )
    db.execute(
        "create trigger note before insert or update or delete on public.item "
        "for each row execute function public.note()"
    )


def test_merge_records_its_arms_in_the_order_in_which_it_takes_them(
    db: Connection, server_version: int
) -> None:
    """Case 19: all three arms mixed, row by row."""
    if server_version < 150000:
        pytest.skip("there is no MERGE before version 15")
    make(db, ITEM)
    db.execute("insert into public.item select n, 'a', n from generate_series(1, 9) as n")
    note_the_order(db)
    db.execute(
        """
        merge into public.item as i
        using (select n as id from generate_series(1, 15) as n) as s on s.id = i.id
        when matched and s.id % 3 = 0 then delete
        when matched and s.id % 3 = 1 then update set name = 'B'
        when not matched then insert values (s.id, 'd', 4)
        """
    )
    made = rows(db, "select what, id::text from public.noted order by place")
    assert {what for what, _ in made} == {"INSERT", "UPDATE", "DELETE"}
    assert [each[:2] for each in changes(db)[9:]] == made


def test_merge_records_what_its_source_does_not_have(db: Connection, server_version: int) -> None:
    """Case 19: the arm for rows of the target alone."""
    if server_version < 170000:
        pytest.skip("there is no NOT MATCHED BY SOURCE before version 17")
    make(db, ITEM)
    db.execute("insert into public.item select n, 'a', n from generate_series(1, 4) as n")
    note_the_order(db)
    db.execute(
        """
        merge into public.item as i using (values (1), (9)) as s (id) on s.id = i.id
        when matched then do nothing
        when not matched then insert values (s.id, 'd', 4)
        when not matched by source and i.id = 2 then delete
        when not matched by source then update set name = 'B'
        """
    )
    made = rows(db, "select what, id::text from public.noted order by place")
    assert len(made) == 4
    assert [each[:2] for each in changes(db)[4:]] == made


def test_copy_freeze_records_each_row(database: Database) -> None:
    """Case 20: rows that are frozen as they come in."""
    installer = database.connect()
    make(installer, ITEM)
    installer.commit()
    installer.execute("truncate public.item")
    with (
        installer.cursor() as cursor,
        cursor.copy("copy public.item from stdin with (freeze)") as copy,
    ):
        copy.write_row((1, "a", 1))
        copy.write_row((2, None, None))
    installer.commit()
    assert [each[:2] for each in changes(installer)][-2:] == [("INSERT", "1"), ("INSERT", "2")]


def test_two_arms_of_a_statement_on_one_table_are_all_recorded(db: Connection) -> None:
    """Case 20: a row that one arm makes and no other arm sees."""
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1)")
    note_the_order(db)
    db.execute(
        """
        with made as (insert into public.item values (2, 'b', 2), (3, 'c', 3) returning id),
        changed as (update public.item set name = 'B' returning id)
        delete from public.item where id in (select id from made)
        """
    )
    made = rows(db, "select what, id::text from public.noted order by place")
    assert sorted(made) == [("INSERT", "2"), ("INSERT", "3"), ("UPDATE", "1")]
    assert sorted(each[:2] for each in changes(db)[1:]) == sorted(made)


def test_an_update_through_an_instead_of_trigger_is_recorded_as_what_it_does(
    db: Connection,
) -> None:
    """Case 27: a view whose writes are translated by a trigger."""
    make(db, ITEM)
    db.execute("create view public.cheap as select id, upper(name) as label from public.item")
    db.execute(
        """
        create function public.translate() returns trigger language plpgsql as $$
        begin
            if tg_op = 'INSERT' then
                insert into public.item values (new.id, lower(new.label), 0);
            elsif tg_op = 'UPDATE' then
                update public.item set name = lower(new.label) where id = old.id;
            else
                delete from public.item where id = old.id;
            end if;
            return case tg_op when 'DELETE' then old else new end;
        end
        $$
        """
    )
    db.execute(
        "create trigger translate instead of insert or update or delete on public.cheap "
        "for each row execute function public.translate()"
    )
    db.execute("insert into public.cheap values (1, 'A')")
    db.execute("update public.cheap set label = 'B'")
    db.execute("delete from public.cheap")
    assert changes(db) == [
        ("INSERT", "1", None, {"id": 1, "name": "a", "price": 0}, None),
        ("UPDATE", "1", {"name": "a"}, {"name": "b"}, ["name"]),
        ("DELETE", "1", {"id": 1, "name": "b", "price": 0}, None, None),
    ]


# Partitions and inheritance.


def test_rows_that_move_between_partitions_leave_and_enter_one_by_one(db: Connection) -> None:
    """Case 28: the server makes a delete and an insert of it. They follow one another, row by row,
    in one transaction: that is how one knows them."""
    make_partitioned(db)
    track(db)
    db.execute("insert into public.item values (1, 'a'), (2, 'b'), (15, 'c')")
    db.execute("update public.item set id = id + 10 where id <> 15")
    recorded = rows(
        db,
        """
        select action, record_id, coalesce(old_values, new_values) ->> 'name',
            seq - lag(seq, 1, seq - 1) over (order by seq)
        from chronicle.row_changes where seq > (select min(seq) + 2 from chronicle.row_changes)
        order by seq
        """,
    )
    assert recorded == [
        ("DELETE", "1", "a", 1),
        ("INSERT", "11", "a", 1),
        ("DELETE", "2", "b", 1),
        ("INSERT", "12", "b", 1),
    ]


def test_a_partition_that_is_detached_is_no_part_of_the_table_any_more(db: Connection) -> None:
    """Case 29: what is written to it since is not recorded under the table; attached again, it
    is."""
    make_partitioned(db)
    track(db)
    db.execute("insert into public.item values (1, 'a'), (11, 'b')")
    db.execute("alter table public.item detach partition public.item_low")
    db.execute("update public.item_low set name = 'unseen'")
    db.execute("truncate public.item_low")
    db.execute("insert into public.item_low values (3, 'unseen')")
    db.execute(
        "alter table public.item attach partition public.item_low for values from (0) to (10)"
    )
    db.execute("update public.item set name = 'seen' where id = 3")
    assert [each[:4] for each in changes(db)] == [
        ("INSERT", "1", None, {"id": 1, "name": "a"}),
        ("INSERT", "11", None, {"id": 11, "name": "b"}),
        ("UPDATE", "3", {"name": "unseen"}, {"name": "seen"}),
    ]


def test_rows_that_went_with_a_detached_partition_are_not_passed_over(db: Connection) -> None:
    """Case 29: of what is gone without an event, history says that it does not know."""
    make_partitioned(db)
    track(db)
    db.execute("insert into public.item values (1, 'a'), (11, 'b')")
    at = value(db, "select clock_timestamp()")
    db.execute("alter table public.item detach partition public.item_low")
    for query in (
        "select * from chronicle.rows_as_of(null::public.item, %s)",
        "select chronicle.record_as_of('public.item', '1', %s)",
    ):
        assert sqlstate(db, query, (at,)) == "ZC007"
    assert rows(
        db, "select action, new_values from chronicle.record_history('public.item', '1')"
    ) == [("INSERT", {"id": 1, "name": "a"})]


def test_a_partition_made_later_is_covered_by_a_truncate_of_the_table(db: Connection) -> None:
    """Case 29: its own direct truncate is seen from the next refresh on, and what is not seen yet
    is named."""
    make_partitioned(db)
    track(db)
    db.execute(
        "create table public.item_late partition of public.item for values from (99) to (200)"
    )
    db.execute("insert into public.item values (100, 'late')")
    (not_covered,) = values(db, "select not_covered from chronicle.tracked_tables")
    assert len(not_covered) == 1
    assert "item_late" in not_covered[0]
    db.execute("truncate public.item")
    assert truncates(db)[0][3:5] == ("100", {"id": 100, "name": "late"})
    db.execute("insert into public.item values (101, 'late')")
    db.execute("select chronicle.refresh_tracking('public.item')")
    assert values(db, "select not_covered from chronicle.tracked_tables") == [[]]
    db.execute("truncate public.item_late")
    assert truncates(db)[-2][3:5] == ("101", {"id": 101, "name": "late"})


def test_a_write_through_a_parent_reaches_the_tables_that_inherit_from_it(db: Connection) -> None:
    """Case 30: each table that is tracked records its own rows, with its own columns."""
    run(db, "create table public.parent (id integer primary key, v text)")
    run(db, "create table public.child (more text, primary key (id)) inherits (public.parent)")
    track(db, table="public.parent")
    track(db, table="public.child")
    db.execute("insert into public.parent values (1, 'a')")
    db.execute("insert into public.child values (2, 'b', 'm')")
    db.execute("update public.parent set v = v || v")
    db.execute("delete from public.parent")
    recorded = rows(
        db,
        """
        select table_name, action, record_id, coalesce(new_values, old_values)
        from chronicle.row_changes
        """,
    )
    child = {"id": 2, "v": "b", "more": "m"}
    assert sorted(recorded, key=str) == sorted(
        [
            ("parent", "INSERT", "1", {"id": 1, "v": "a"}),
            ("child", "INSERT", "2", child),
            ("parent", "UPDATE", "1", {"v": "aa"}),
            ("child", "UPDATE", "2", {"v": "bb"}),
            ("parent", "DELETE", "1", {"id": 1, "v": "aa"}),
            ("child", "DELETE", "2", child | {"v": "bb"}),
        ],
        key=str,
    )


# Transactions.


@pytest.fixture
def installer(database: Database) -> Connection:
    """The installer's session in a database of its own."""
    return database.connect()


def test_a_deferred_foreign_key_that_fails_at_commit_leaves_nothing(installer: Connection) -> None:
    """Case 22: the events of a transaction that fails as it ends go with it."""
    make(installer, ITEM)
    installer.execute(
        "create table public.part (id integer primary key, item integer "
        "references public.item deferrable initially deferred)"
    )
    track(installer, table="public.part")
    installer.commit()
    installer.execute("insert into public.part values (1, 7)")
    assert len(changes(installer)) == 1
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        installer.commit()
    assert changes(installer) == []
    installer.execute("insert into public.part values (1, 7)")
    installer.execute("insert into public.item values (7, 'a', 1)")
    installer.commit()
    assert [each[:2] for each in changes(installer)] == [("INSERT", "1"), ("INSERT", "7")]


def test_a_deferred_trigger_that_fails_at_commit_leaves_nothing(installer: Connection) -> None:
    """Case 22: and what a deferred trigger writes before it is recorded in its place."""
    make(installer, ITEM)
    installer.execute(
        """
        create function public.check_late() returns trigger language plpgsql as $$
        begin
            if new.price < 0 then
                raise exception 'too cheap' using errcode = 'XX999';
            end if;
            update public.item set name = 'checked' where id = new.id and name <> 'checked';
            return null;
        end
        $$
        """
    )
    installer.execute(
        "create constraint trigger a_check after insert or update on public.item "
        "deferrable initially deferred for each row execute function public.check_late()"
    )
    installer.commit()
    installer.execute("insert into public.item values (1, 'a', 1), (2, 'b', -1)")
    with pytest.raises(psycopg.Error) as failed:
        installer.commit()
    assert failed.value.sqlstate == "XX999"
    assert changes(installer) == []
    installer.execute("insert into public.item values (1, 'a', 1), (2, 'b', 2)")
    installer.commit()
    assert [each[:2] for each in changes(installer)] == [
        *(("INSERT", "1"), ("INSERT", "2"), ("UPDATE", "1"), ("UPDATE", "2"))
    ]


@pytest.fixture(scope="module")
def able_cluster(template: str) -> Iterator[Cluster]:  # noqa: ARG001  the roles are not needed
    """A server with prepared transactions and logical replication, which ours is without."""
    settings: dict[str, str | int | float | bool] = {
        "max_prepared_transactions": 2,
        "wal_level": "logical",
    }
    with embedded.Server(settings=settings) as server:
        cluster = Cluster(server.host, server.port, "postgres", None)
        cluster.make_role(INSTALLER, "login createrole")
        yield cluster


@pytest.fixture
def able_database(able_cluster: Cluster, database_names: Iterator[str]) -> Iterator[Database]:
    name = next(database_names)
    able_cluster.execute("create database {} owner {}", name, INSTALLER)
    made = Database(able_cluster, name)
    migrate(made.dsn())
    yield made
    # What a test that failed has left prepared would stop others for ever.
    with made.connect(able_cluster.superuser, autocommit=True) as superuser:
        for gid in values(superuser, "select gid from pg_prepared_xacts"):
            run(superuser, f"rollback prepared '{gid}'")
    made.close()
    able_cluster.execute("drop database {} with (force)", name)


def test_a_prepared_transaction_is_recorded_when_it_is_committed(able_database: Database) -> None:
    """Case 23: both phases, from two sessions, with the actor of the first."""
    installer = able_database.connect(autocommit=True)
    make(installer, ITEM)
    for name, ends in (("one", "commit"), ("two", "rollback")):
        preparing = able_database.connect(autocommit=True)
        preparing.execute("begin")
        preparing.execute("select chronicle.set_context(_actor_type => 'user', _actor_id => 'u-1')")
        run(preparing, f"insert into public.item values (1, '{name}', 1)")
        run(preparing, f"update public.item set price = 2 where name = '{name}'")
        run(preparing, f"prepare transaction '{name}'")
        preparing.close()
        assert len(changes(installer)) == (0 if name == "one" else 3)
        run(installer, f"{ends} prepared '{name}'")
        if name == "one":
            assert [each[:2] for each in changes(installer)] == [("INSERT", "1"), ("UPDATE", "1")]
            installer.execute("delete from public.item")
    assert rows(installer, "select action, actor_id from chronicle.row_changes order by seq") == [
        *(("INSERT", "u-1"), ("UPDATE", "u-1"), ("DELETE", "installer")),
    ]
    assert value(installer, "select count(*) from public.item") == 0


def test_what_replication_brings_is_not_recorded_and_the_table_says_so(
    able_cluster: Cluster, able_database: Database, database_names: Iterator[str]
) -> None:
    """Case 32: the events of such changes belong to the publisher; who looks sees that they are
    missing here."""
    name = next(database_names)
    able_cluster.execute("create database {}", name)
    publisher = Database(able_cluster, name)
    source = publisher.connect(able_cluster.superuser, autocommit=True)
    run(source, f"create table public.item ({ITEM})")
    source.execute("create publication everything for all tables")
    slot = f"{name}_slot"
    source.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", (slot,))

    installer = able_database.connect(autocommit=True)
    make(installer, ITEM)
    superuser = able_database.connect(able_cluster.superuser, autocommit=True)
    run(
        superuser,
        f"create subscription all_of_it connection '{publisher.dsn(able_cluster.superuser)}' "
        f"publication everything with (create_slot = false, slot_name = '{slot}', "
        "copy_data = false)",
    )
    try:
        source.execute("insert into public.item values (1, 'a', 1), (2, 'b', 2)")
        source.execute("update public.item set name = 'c' where id = 1")
        source.execute("delete from public.item where id = 2")
        source.execute("insert into public.item values (3, 'last', 3)")
        deadline = time.monotonic() + 60
        while values(installer, "select id from public.item order by id") != [1, 3]:
            assert time.monotonic() < deadline
        installer.execute("update public.item set name = 'local' where id = 1")
        assert [each[:4] for each in changes(installer)] == [
            ("UPDATE", "1", {"name": "c"}, {"name": "local"})
        ]
        (not_covered,) = values(installer, "select not_covered from chronicle.tracked_tables")
        assert [each for each in not_covered if "all_of_it" in each]
    finally:
        superuser.execute("alter subscription all_of_it disable")
        superuser.execute("alter subscription all_of_it set (slot_name = none)")
        superuser.execute("drop subscription all_of_it")
        publisher.close()
        able_cluster.execute("drop database {} with (force)", name)
