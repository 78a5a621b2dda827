"""Capture: every committed change of a tracked table is an event."""

from typing import Any

import pytest

from ask import events, rows, run, sqlstate, value, values
from capturing import ITEM, changes, make, track
from support import Connection, Database, acting_as

# What is recorded.


def test_an_insert_is_its_new_row(db: Connection) -> None:
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1.50), (2, null, null)")
    assert changes(db) == [
        ("INSERT", "1", None, {"id": 1, "name": "a", "price": 1.5}, None),
        ("INSERT", "2", None, {"id": 2, "name": None, "price": None}, None),
    ]


def test_an_update_is_what_it_changed(db: Connection) -> None:
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1), (2, 'b', 2)")
    db.execute("update public.item set name = upper(name) where id = 2")
    db.execute("update public.item set price = null, name = null where id = 1")
    assert changes(db)[2:] == [
        ("UPDATE", "2", {"name": "b"}, {"name": "B"}, ["name"]),
        (
            *("UPDATE", "1", {"name": "a", "price": 1}, {"name": None, "price": None}),
            ["name", "price"],
        ),
    ]


def test_a_delete_is_its_old_row(db: Connection) -> None:
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1)")
    db.execute("delete from public.item")
    assert changes(db)[1:] == [("DELETE", "1", {"id": 1, "name": "a", "price": 1}, None, None)]


def test_a_truncate_is_each_row_that_goes_and_then_itself(db: Connection) -> None:
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1), (2, 'b', 2)")
    db.execute("truncate public.item")
    assert changes(db)[2:] == [
        ("TRUNCATE", "1", {"id": 1, "name": "a", "price": 1}, None, None),
        ("TRUNCATE", "2", {"id": 2, "name": "b", "price": 2}, None, None),
        ("TRUNCATE", None, None, None, None),
    ]
    db.execute("truncate public.item")
    truncates = events(db, "item", "action", "action_type", "resource_id", "action_meta")[2:]
    told = {"action": "item.truncate", "action_type": "delete"}
    assert truncates == [
        {**told, "resource_id": "1", "action_meta": None},
        {**told, "resource_id": "2", "action_meta": None},
        {**told, "resource_id": None, "action_meta": {"rows": 2, "recorded": 2}},
        {**told, "resource_id": None, "action_meta": {"rows": 0, "recorded": 0}},
    ]


def test_a_row_that_a_truncate_takes_is_recorded_like_any_other(db: Connection) -> None:
    make(
        db,
        "a text, b integer, org text, secret text, hidden text, j json, primary key (a, b)",
        "_organization_column => 'org'",
        "_exclude_columns => '{hidden}'",
    )
    db.execute("""insert into public.item values ('x', 1, 'acme', 's', 'h', '{"n":  1}')""")
    db.execute("""insert into public.item values ('y', 2, null, null, null, 'null')""")
    context = (
        '{"actor_id": "u-1", "actor_type": "user", "organization_id": "other", "reason": "moved", '
        '"request_id": "r-1"}'
    )
    with db.transaction():
        db.execute("select set_config('chronicle.context', %s, true)", (context,))
        db.execute("truncate public.item")
    columns = ("resource_id", "organization_id", "details_before", "payload_error")
    assert events(db, "item", *columns)[2:] == [
        dict(zip(columns, each, strict=True))
        for each in (
            (
                '{"a": "x", "b": "1"}',
                "acme",
                {"a": "x", "b": 1, "org": "acme", "secret": "[masked]", "j": '{"n":  1}'},
                None,
            ),
            (
                '{"a": "y", "b": "2"}',
                "other",
                {"a": "y", "b": 2, "org": None, "secret": None, "j": "null"},
                None,
            ),
            (None, "other", None, None),
        )
    ]
    who = ("actor_id", "actor_type", "context_state", "reason", "request_id", "db_user", "origin")
    assert (
        events(db, "item", *who)[2:]
        == [
            dict(
                zip(
                    who,
                    ("u-1", "user", "asserted", "moved", "r-1", "installer", "captured"),
                    strict=True,
                )
            )
        ]
        * 3
    )
    (table_id,) = values(db, "select distinct table_id from chronicle.row_changes")
    assert table_id == value(db, "select table_id from chronicle.tracked_tables")


def test_a_captured_event_says_where_it_comes_from(db: Connection) -> None:
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1)")
    table_id = value(db, "select table_id from chronicle.tracked_tables")
    assert events(db, "item") == [
        {
            "epoch": 1,
            "schema_version": 1,
            "actor_type": "system",
            "actor_id": "installer",
            "is_ai_action": False,
            "db_user": "installer",
            "context_state": "absent",
            "origin": "captured",
            "action_type": "create",
            "action": "item.create",
            "resource_type": "item",
            "resource_id": "1",
            "table_id": table_id,
            "details_after": {"id": 1, "name": "a", "price": 1},
            "severity": "info",
            "status": "success",
        }
    ]


def test_an_update_that_changes_nothing_is_not_recorded(db: Connection) -> None:
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1.0), (2, null, null)")
    db.execute("update public.item set name = name, price = price, id = id")
    db.execute("update public.item set name = 'a' where id = 1")
    db.execute("update public.item set price = null where id = 2")
    db.execute("select * from public.item for update")
    assert [each[0] for each in changes(db)] == ["INSERT", "INSERT"]


def test_the_organization_comes_from_its_column(db: Connection) -> None:
    make(db, "id integer primary key, org uuid", "_organization_column => 'org'")
    db.execute("insert into public.item values (1, '0c1e9b1e-0000-4000-8000-00000000000a')")
    db.execute("update public.item set org = null")
    db.execute("delete from public.item")
    assert [each.get("organization_id") for each in events(db, "item")] == [
        *("0c1e9b1e-0000-4000-8000-00000000000a", None, None)
    ]


def test_the_resource_type_is_the_name_of_the_table_or_what_was_said(db: Connection) -> None:
    db.execute("create schema store")
    db.execute("create table store.item (id integer primary key)")
    track(db, table="store.item")
    db.execute("create table public.article (id integer primary key)")
    track(db, "_resource_type => 'ware'", table="public.article")
    db.execute("insert into store.item values (1)")
    db.execute("insert into public.article values (1)")
    assert rows(
        db,
        """
        select resource_type, action from chronicle.events where origin = 'captured' order by seq
        """,
    ) == [("store.item", "store.item.create"), ("ware", "ware.create")]


def test_a_table_without_columns_to_record_is_recorded(db: Connection) -> None:
    db.execute("create table public.empty ()")
    track(db, table="public.empty")
    db.execute("insert into public.empty default values")
    db.execute("delete from public.empty")
    db.execute("create table public.hidden (note text)")
    track(db, "_exclude_columns => '{note}'", table="public.hidden")
    db.execute("insert into public.hidden values ('a')")
    db.execute("update public.hidden set note = 'b'")
    db.execute("delete from public.hidden")
    assert changes(db) == [
        ("INSERT", None, None, {}, None),
        ("DELETE", None, {}, None, None),
        ("INSERT", None, None, {}, None),
        ("DELETE", None, {}, None, None),
    ]


# Statements.


def test_on_conflict_records_what_it_did(db: Connection) -> None:
    make(db, ITEM)
    insert = "insert into public.item values (1, 'b', 2) on conflict "
    db.execute("insert into public.item values (1, 'a', 1)")
    run(db, insert + "do nothing")
    run(db, insert + "(id) do update set name = excluded.name where false")
    run(db, insert + "(id) do update set name = item.name")
    run(db, insert + "(id) do update set name = excluded.name")
    assert [each[:3] for each in changes(db)] == [
        ("INSERT", "1", None),
        ("UPDATE", "1", {"name": "a"}),
    ]


def test_copy_records_each_row(db: Connection) -> None:
    make(db, ITEM)
    with db.cursor() as cursor, cursor.copy("copy public.item from stdin") as copy:
        copy.write_row((1, "a", 1))
        copy.write_row((2, None, None))
    assert [each[:2] for each in changes(db)] == [("INSERT", "1"), ("INSERT", "2")]


def test_merge_records_each_arm(db: Connection, server_version: int) -> None:
    if server_version < 150000:
        pytest.skip("there is no MERGE before version 15")
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)")
    db.execute(
        """
        merge into public.item as i
        using (values (1, 'delete'), (2, 'update'), (3, 'nothing'), (4, 'insert')) as s (id, what)
        on s.id = i.id
        when matched and s.what = 'delete' then delete
        when matched and s.what = 'update' then update set name = 'B'
        when not matched then insert values (s.id, 'd', 4)
        """
    )
    assert {each[:2] for each in changes(db)[3:]} == {
        *(("DELETE", "1"), ("UPDATE", "2"), ("INSERT", "4"))
    }
    assert len(changes(db)) == 6


def test_a_statement_with_several_writes_records_them_all(db: Connection) -> None:
    make(db, ITEM)
    db.execute("insert into public.item select n, 'a', n from generate_series(1, 3) as n")
    db.execute(
        """
        with gone as (delete from public.item where id = 1 returning *),
        changed as (update public.item set name = 'b' where id = 2 returning *)
        insert into public.item select id + 10, name, price from gone
        """
    )
    assert {each[:2] for each in changes(db)[3:]} == {
        *(("DELETE", "1"), ("UPDATE", "2"), ("INSERT", "11"))
    }
    assert len(changes(db)) == 6


def test_each_update_within_a_function_is_an_event(db: Connection) -> None:
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 0)")
    db.execute(
        """
        do $$
        begin
            for i in 1 .. 3 loop
                update public.item set price = price + 1;
            end loop;
        end
        $$
        """
    )
    assert [each[3] for each in changes(db)[1:]] == [{"price": 1}, {"price": 2}, {"price": 3}]


def test_foreign_keys_that_cascade_record_what_they_do(db: Connection) -> None:
    make(db, ITEM)
    db.execute(
        """
        create table public.part (
            id integer primary key,
            a integer references public.item on delete cascade on update cascade,
            b integer references public.item on delete set null,
            c integer default 3 references public.item on delete set default
        )
        """
    )
    track(db, table="public.part")
    db.execute("insert into public.item values (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)")
    db.execute("insert into public.part values (1, 1, null, null), (2, 3, 2, 2)")
    db.execute("select set_config('chronicle.context', %s, true)", ('{"actor_id": "u-1"}',))
    db.execute("update public.item set id = 9 where id = 1")
    db.execute("delete from public.item where id = 9")
    db.execute("delete from public.item where id = 2")
    assert rows(
        db,
        """
        select action, table_name, record_id, new_values, actor_id
        from chronicle.row_changes order by seq offset 5
        """,
    ) == [
        ("UPDATE", "item", "9", {"id": 9}, "u-1"),
        ("UPDATE", "part", "1", {"a": 9}, "u-1"),
        ("DELETE", "item", "9", None, "u-1"),
        ("DELETE", "part", "1", None, "u-1"),
        ("DELETE", "item", "2", None, "u-1"),
        ("UPDATE", "part", "2", {"b": None}, "u-1"),
        ("UPDATE", "part", "2", {"c": 3}, "u-1"),
    ]


@pytest.mark.parametrize("name", ["aaa", "AAA", "000", "_", "zzz", "#", '"'])
def test_what_a_trigger_makes_of_a_change_is_recorded_after_it(db: Connection, name: str) -> None:
    make(db, ITEM)
    db.execute(
        """
        create function public.follow() returns trigger language plpgsql as $$
        begin
            if tg_op = 'INSERT' then
                update public.item set name = 'followed' where id = new.id;
            elsif new.name = 'followed' then
                delete from public.item where id = new.id;
            end if;
            return null;
        end
        $$
        """
    )
    quoted = name.replace('"', '""')
    run(
        db,
        f'create trigger "{quoted}" after insert or update on public.item '
        "for each row execute function public.follow()",
    )
    db.execute("insert into public.item values (1, 'a', 1)")
    assert changes(db) == [
        ("INSERT", "1", None, {"id": 1, "name": "a", "price": 1}, None),
        ("UPDATE", "1", {"name": "a"}, {"name": "followed"}, ["name"]),
        ("DELETE", "1", {"id": 1, "name": "followed", "price": 1}, None, None),
    ]


def test_what_a_before_trigger_makes_of_a_row_is_recorded(db: Connection) -> None:
    make(db, ITEM)
    db.execute(
        """
        create function public.correct() returns trigger language plpgsql as $$
        begin
            if new.id = 2 then
                return null;
            end if;
            new.name := upper(new.name);
            return new;
        end
        $$
        """
    )
    db.execute(
        "create trigger correct before insert or update on public.item "
        "for each row execute function public.correct()"
    )
    db.execute("insert into public.item values (1, 'a', 1), (2, 'b', 2)")
    db.execute("update public.item set name = 'a'")
    assert changes(db) == [("INSERT", "1", None, {"id": 1, "name": "A", "price": 1}, None)]


def test_writes_through_a_view_are_recorded(db: Connection) -> None:
    make(db, ITEM)
    db.execute("create view public.cheap as select id, name from public.item")
    db.execute("insert into public.cheap values (1, 'a')")
    db.execute("update public.cheap set name = 'b'")
    assert [each[:2] for each in changes(db)] == [("INSERT", "1"), ("UPDATE", "1")]


def test_a_truncate_that_cascades_is_recorded_on_each_table(db: Connection) -> None:
    make(db, ITEM)
    db.execute("create table public.part (id integer primary key references public.item)")
    track(db, table="public.part")
    db.execute("insert into public.item values (1, 'a', 1)")
    db.execute("insert into public.part values (1)")
    db.execute("truncate public.item cascade")
    assert set(rows(db, "select action, table_name, record_id from chronicle.row_changes")) == {
        *(("INSERT", "item", "1"), ("INSERT", "part", "1")),
        *(("TRUNCATE", "item", "1"), ("TRUNCATE", "part", "1")),
        *(("TRUNCATE", "item", None), ("TRUNCATE", "part", None)),
    }
    assert value(db, "select count(*) from chronicle.row_changes") == 6


def test_all_rows_of_a_statement_are_of_one_transaction_and_no_other(db: Connection) -> None:
    make(db, "id integer primary key, v json")
    db.execute(
        """insert into public.item select n, '"\\u0000"' from generate_series(1, 300) as n"""
    )
    db.execute("update public.item set v = '1'")
    db.execute("truncate public.item")
    assert rows(
        db,
        """
        select distinct transaction_id = (pg_current_xact_id()::text)::bigint,
            (select count(*) from chronicle.row_changes)
        from chronicle.row_changes
        """,
    ) == [(True, 901)]
    # Nor does the server take transaction ids for parts of it.
    assert values(
        db,
        """
        select distinct e.xmin::text = pg_current_xact_id()::xid::text from chronicle.events as e
        where e.origin = 'captured'
        """,
    ) == [True]


def test_a_session_without_row_security_is_recorded(db: Connection) -> None:
    # Every script that pg_dump writes begins by turning it off.
    make(db, ITEM)
    db.execute("grant all on public.item to stranger")
    with acting_as(db, "stranger"):
        db.execute("set local row_security = off")
        db.execute("insert into public.item values (1, 'a', 1)")
        db.execute("update public.item set name = 'b'")
        db.execute("delete from public.item")
        db.execute("truncate public.item")
        assert value(db, "show row_security") == "off"
        db.execute("set local row_security = on")
    assert [each[0] for each in changes(db)] == ["INSERT", "UPDATE", "DELETE", "TRUNCATE"]


# Transactions.


def test_a_rolled_back_savepoint_leaves_no_event(db: Connection) -> None:
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1)")
    with db.transaction(force_rollback=True):
        db.execute("update public.item set name = 'b'")
        with db.transaction():
            db.execute("delete from public.item")
    db.execute(
        """
        do $$
        begin
            update public.item set name = 'c';
            raise exception 'no';
        exception when others then
            update public.item set name = 'd';
        end
        $$
        """
    )
    assert [each[3] for each in changes(db)] == [{"id": 1, "name": "a", "price": 1}, {"name": "d"}]


def test_a_rolled_back_transaction_leaves_no_event(database: Database) -> None:
    installer = database.connect()
    make(installer, ITEM)
    installer.execute("alter table public.item add constraint once unique (name) deferrable")
    installer.commit()
    installer.execute("insert into public.item values (1, 'a', 1)")
    installer.rollback()
    assert sqlstate(installer, "insert into public.item values (2, 'a', 1), (2, 'b', 2)") == "23505"
    installer.rollback()
    installer.execute("set constraints all deferred")
    installer.execute("insert into public.item values (3, 'a', 1), (4, 'a', 2)")
    with pytest.raises(Exception, match="once"):
        installer.commit()
    installer.execute("insert into public.item values (5, 'a', 1)")
    installer.commit()
    assert [each[:2] for each in changes(installer)] == [("INSERT", "5")]


# Generated columns and partitions.


def test_a_stored_generated_column_is_recorded(db: Connection) -> None:
    make(db, "id integer primary key, n integer, twice integer generated always as (2 * n) stored")
    db.execute("insert into public.item values (1, 2)")
    db.execute("update public.item set n = 3")
    assert changes(db) == [
        ("INSERT", "1", None, {"id": 1, "n": 2, "twice": 4}, None),
        ("UPDATE", "1", {"n": 2, "twice": 4}, {"n": 3, "twice": 6}, ["n", "twice"]),
    ]


def test_a_virtual_generated_column_is_no_part_of_the_row(
    db: Connection, server_version: int
) -> None:
    if server_version < 180000:
        pytest.skip("there are no virtual columns before version 18")
    make(
        db,
        "id integer primary key, twice integer generated always as (2 * n) virtual, n integer",
    )
    db.execute("insert into public.item (id, n) values (1, 2)")
    db.execute("update public.item set n = 3")
    db.execute("update public.item set n = 3")
    db.execute("delete from public.item")
    assert changes(db) == [
        ("INSERT", "1", None, {"id": 1, "n": 2}, None),
        ("UPDATE", "1", {"n": 2}, {"n": 3}, ["n"]),
        ("DELETE", "1", {"id": 1, "n": 3}, None, None),
    ]
    assert value(db, "select state from chronicle.tracked_tables") == "tracked"


def test_a_partitioned_table_is_recorded_as_one(db: Connection) -> None:
    db.execute(
        "create table public.item (id integer primary key, name text) partition by range (id)"
    )
    db.execute("create table public.item_low partition of public.item for values from (0) to (10)")
    track(db)
    # One made later, and one with its columns in another order that is attached later still.
    db.execute("create table public.item_mid partition of public.item for values from (10) to (20)")
    db.execute("create table public.item_high (gone integer, name text, id integer not null)")
    db.execute("alter table public.item_high drop column gone")
    db.execute(
        "alter table public.item attach partition public.item_high for values from (20) to (30)"
    )
    for id_, relation in ((1, "item"), (11, "item_mid"), (21, "item_high"), (22, "item")):
        run(db, f"insert into public.{relation} (id, name) values ({id_}, 'a')")
    db.execute("update public.item set name = 'b' where id in (21, 1)")
    db.execute("update public.item_high set name = 'a' where id = 22")
    db.execute("delete from public.item where id in (21, 11)")
    assert [(action, key, old, new) for action, key, old, new, _ in changes(db)] == [
        *(("INSERT", str(n), None, {"id": n, "name": "a"}) for n in (1, 11, 21, 22)),
        *(("UPDATE", str(n), {"name": "a"}, {"name": "b"}) for n in (1, 21)),
        *(("DELETE", str(n), {"id": n, "name": name}, None) for n, name in ((11, "a"), (21, "b"))),
    ]
    assert set(rows(db, "select table_name, table_id from chronicle.row_changes")) == {
        ("item", value(db, "select table_id from chronicle.tracked_tables"))
    }
    assert value(db, "select state from chronicle.tracked_tables") == "tracked"


def test_a_row_that_moves_between_partitions_leaves_one_and_enters_the_other(
    db: Connection,
) -> None:
    db.execute(
        "create table public.item (id integer primary key, name text) partition by range (id)"
    )
    db.execute("create table public.item_low partition of public.item for values from (0) to (10)")
    db.execute("create table public.item_high partition of public.item default")
    track(db)
    db.execute("insert into public.item values (1, 'a')")
    db.execute("update public.item set id = 11")
    assert changes(db)[1:] == [
        ("DELETE", "1", {"id": 1, "name": "a"}, None, None),
        ("INSERT", "11", None, {"id": 11, "name": "a"}, None),
    ]


def partitioned(db: Connection) -> None:
    """Makes public.item with a partition by range, one that is partitioned itself, and a row in
    each leaf; tracks it; then makes another partition, with a row."""
    db.execute(
        "create table public.item (id integer primary key, name text) partition by range (id)"
    )
    db.execute("create table public.low partition of public.item for values from (0) to (10)")
    db.execute(
        "create table public.mid partition of public.item for values from (10) to (20) "
        "partition by range (id)"
    )
    db.execute("create table public.mid_all partition of public.mid default")
    track(db)
    db.execute("create table public.late partition of public.item default")
    db.execute("insert into public.item values (1, 'a'), (11, 'b'), (21, 'c')")


def truncates(db: Connection) -> list[Any]:
    """What truncates have left: the rows, and what each tells of itself."""
    return rows(
        db,
        """
        select resource_id, details_before, action_meta from chronicle.events
        where action = 'item.truncate' order by seq
        """,
    )


def test_a_truncate_of_a_partitioned_table_records_every_row_once(db: Connection) -> None:
    partitioned(db)
    db.execute("truncate public.item")
    found = truncates(db)
    assert sorted(each[0] for each in found if each[0]) == ["1", "11", "21"]
    assert {each[0]: each[1] for each in found if each[0]} == {
        "1": {"id": 1, "name": "a"},
        "11": {"id": 11, "name": "b"},
        "21": {"id": 21, "name": "c"},
    }
    # Each partition that has a trigger of its own tells of its rows; the table of the others'.
    told = [each[2] for each in found if not each[0]]
    assert sorted(told, key=str) == sorted(
        [
            {"rows": 1, "recorded": 1},
            {"rows": 1, "recorded": 1, "partition": "public.low"},
            {"rows": 0, "recorded": 0, "partition": "public.mid"},
            {"rows": 1, "recorded": 1, "partition": "public.mid_all"},
        ],
        key=str,
    )
    assert set(rows(db, "select table_name, table_id from chronicle.row_changes")) == {
        ("item", value(db, "select table_id from chronicle.tracked_tables"))
    }


@pytest.mark.parametrize("partition", ["mid", "mid_all"])
def test_a_truncate_of_a_partition_is_recorded_under_its_table(
    db: Connection, partition: str
) -> None:
    partitioned(db)
    run(db, f"truncate public.{partition}")
    assert [each for each in truncates(db) if each[0]] == [
        ("11", {"id": 11, "name": "b"}, None),
    ]
    assert {each[0] for each in rows(db, "select table_name from chronicle.row_changes")} == {
        "item"
    }


def test_a_truncate_of_a_partition_made_later_is_recorded_once_tracking_is_refreshed(
    db: Connection,
) -> None:
    partitioned(db)
    with db.transaction(force_rollback=True):
        db.execute("truncate public.late")
        assert truncates(db) == []
    assert rows(db, "select * from chronicle.refresh_tracking()") == [("public.item", "refreshed")]
    db.execute("truncate public.late")
    assert truncates(db) == [
        ("21", {"id": 21, "name": "c"}, None),
        (None, None, {"rows": 1, "recorded": 1, "partition": "public.late"}),
    ]


def test_a_partition_that_was_detached_is_recorded_no_more(db: Connection) -> None:
    partitioned(db)
    db.execute("alter table public.item detach partition public.low")
    db.execute("update public.low set name = 'x'")
    db.execute("truncate public.low")
    assert truncates(db) == []
    assert [each[0] for each in changes(db)] == ["INSERT"] * 3
