"""Enabling and disabling capture, what cannot be tracked, and tables that change meanwhile."""

import json
import re
import uuid
from collections.abc import Iterable
from typing import Any

import pytest

from ask import Refusal, as_superuser, refusal, row, rows, run, sqlstate, value, values
from capturing import ITEM, changes, make, track
from support import Connection, Database, acting_as

# Enabling and disabling.


def tracking_events(db: Connection) -> list[Any]:
    return rows(
        db,
        """
        select action, action_type, resource_id, details_before, details_after, changed_columns,
            db_user, actor_id
        from chronicle.events where resource_type = 'chronicle.tracked_table' order by seq
        """,
    )


def test_enabling_changing_and_disabling_are_events(db: Connection) -> None:
    db.execute("select set_config('chronicle.context', %s, true)", ('{"actor_id": "u-1"}',))
    make(db, ITEM)
    table_id = value(db, "select table_id from chronicle.tracked_tables")
    track(db, "_exclude_columns => '{name}'")
    db.execute("select chronicle.disable_tracking('public.item')")
    options = {
        "table_id": table_id,
        "resource_type": "item",
        "organization_column": None,
        "excluded_columns": [],
        "masked_columns": [],
        "captured_columns": ["id", "name", "price"],
        "key_columns": ["id"],
        "capture": "changes",
        "truncate": "rows",
        "requires_actor": False,
        "shape": ["id integer", "name text", "price numeric"],
    }
    others = options | {"excluded_columns": ["name"], "captured_columns": ["id", "price"]}
    who = ("installer", "u-1")
    changed = ["captured_columns", "excluded_columns"]
    assert tracking_events(db) == [
        ("chronicle.tracking.enable", "create", "public.item", None, options, None, *who),
        ("chronicle.tracking.update", "update", "public.item", options, others, changed, *who),
        ("chronicle.tracking.disable", "delete", "public.item", others, None, None, *who),
    ]


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["_mask_columns => '{name}'", "_exclude_columns => '{price}'"],
        ["_resource_type => 'ware'", "_organization_column => 'name'"],
        ["_capture => 'full'", "_truncate => 'event'", "_require_actor => true"],
        ["_truncate => 'refuse'", "_key_columns => '{id}'"],
        # A null is the default.
        ["_capture => null", "_truncate => null", "_require_actor => null"],
    ],
    ids=", ".join,
)
def test_enabling_twice_changes_nothing(db: Connection, options: list[str]) -> None:
    everything = """
        select jsonb_agg(to_jsonb(t) order by t.table_id), (
            select jsonb_agg(jsonb_build_array(oid, ctid::text) order by oid)
            from pg_trigger where tgname ^@ '!chronicle'
        ), (
            select jsonb_agg(jsonb_build_array(oid, ctid::text, proacl::text) order by oid)
            from pg_proc where pronamespace = 'chronicle_capture'::regnamespace
        ), (select jsonb_agg(to_jsonb(p)) from chronicle.tracking_periods as p)
        from chronicle.tracked_tables as t
    """
    make(db, ITEM, *options)
    before = row(db, everything)
    assert [len(each) for each in before] == [1, 4, 4, 1]
    track(db, *options)
    assert row(db, everything) == before
    assert len(tracking_events(db)) == 1


@pytest.mark.parametrize(
    ("option", "column", "value_of_it"),
    [
        ("_resource_type => 'ware'", "resource_type", "ware"),
        ("_organization_column => 'name'", "organization_column", "name"),
        ("_exclude_columns => '{name}'", "excluded_columns", ["name"]),
        ("_mask_columns => '{name}'", "masked_columns", ["name"]),
        ("_capture => 'full'", "capture", "full"),
        ("_truncate => 'event'", "truncate", "event"),
        ("_truncate => 'refuse'", "truncate", "refuse"),
        ("_require_actor => true", "requires_actor", True),
    ],
)
def test_each_option_is_shown_and_its_change_is_an_event(
    db: Connection, option: str, column: str, value_of_it: Any
) -> None:
    shown = f"select {column} from chronicle.tracked_tables"
    make(db, ITEM)
    (default,) = row(db, shown)
    assert default != value_of_it
    track(db, option)
    assert value(db, shown) == value_of_it
    track(db)
    assert value(db, shown) == default
    assert [
        (action, before and before[column], after and after[column])
        for action, _, _, before, after, *_ in tracking_events(db)
    ] == [
        ("chronicle.tracking.enable", None, default),
        ("chronicle.tracking.update", default, value_of_it),
        ("chronicle.tracking.update", value_of_it, default),
    ]


def test_enabling_with_other_options_changes_what_is_recorded(db: Connection) -> None:
    make(db, ITEM)
    track(db, "_exclude_columns => '{name}'", "_resource_type => 'ware'")
    db.execute("insert into public.item values (1, 'a', 1)")
    assert rows(
        db, "select resource_type, details_after from chronicle.events where origin = 'captured'"
    ) == [("ware", {"id": 1, "price": 1})]
    track(db)
    db.execute("update public.item set name = 'b'")
    assert changes(db)[1] == ("UPDATE", "1", {"name": "a"}, {"name": "b"}, ["name"])


def test_a_table_keeps_its_id_when_it_is_disabled_and_enabled_again(db: Connection) -> None:
    make(db, ITEM)
    table_id = value(db, "select table_id from chronicle.tracked_tables")
    db.execute("insert into public.item values (1, 'a', 1)")
    db.execute("select chronicle.disable_tracking('public.item')")
    assert row(db, "select state, tracked_until is null from chronicle.tracked_tables") == (
        *("ended", False),
    )
    db.execute("update public.item set name = 'unseen'")
    assert (
        rows(db, "select from pg_proc where pronamespace = 'chronicle_capture'::regnamespace") == []
    )
    assert rows(db, "select from pg_trigger where tgrelid = 'public.item'::regclass") == []
    track(db)
    db.execute("update public.item set name = 'seen'")
    assert row(db, "select table_id, state, tracked_until from chronicle.tracked_tables") == (
        *(table_id, "tracked", None),
    )
    assert [each[2:4] for each in changes(db)] == [
        (None, {"id": 1, "name": "a", "price": 1}),
        ({"name": "unseen"}, {"name": "seen"}),
    ]
    assert [each[0] for each in tracking_events(db)] == [
        f"chronicle.tracking.{what}" for what in ("enable", "disable", "enable")
    ]


REFUSED = {
    "public.a_view": ("create view public.a_view as select 1 as id", "a view"),
    "public.a_matview": (
        "create materialized view public.a_matview as select 1 as id",
        "a materialized view",
    ),
    "public.a_sequence": ("create sequence public.a_sequence", "a sequence"),
    "pg_temp.a_temp": ("create temp table a_temp (id integer)", "a temporary table"),
    "public.an_unlogged": (
        "create unlogged table public.an_unlogged (id integer)",
        "an unlogged table",
    ),
    "public.an_index": (
        "create table public.t (id integer); create index an_index on public.t (id)",
        "an index",
    ),
    "public.a_type": ("create type public.a_type as (id integer)", "no table"),
    "pg_catalog.pg_class": ("", "a system catalog"),
    "information_schema.sql_features": ("", "a system catalog"),
    "chronicle.events": ("", "part of pgchronicle"),
    "chronicle.settings": ("", "part of pgchronicle"),
}

REFUSAL_HINTS = {
    "a view": "Track the tables it reads.",
    "a materialized view": "Track the tables it reads.",
    "an unlogged table": "First: alter table an_unlogged set logged.",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_ordinary_table_is_refused(db: Connection, name: str) -> None:
    preparation, kind = REFUSED[name]
    for statement in filter(None, preparation.split("; ")):
        run(db, statement)
    refused = refusal(db, "select chronicle.enable_tracking(%s::regclass)", (name,))
    shown = name.replace("pg_temp.", "").replace("pg_catalog.", "")
    assert refused.sqlstate == "42809"
    assert refused.message == f"{shown} can not be tracked: it is {kind}"
    hint = REFUSAL_HINTS.get(kind, "Name an ordinary table.")
    assert refused.hint == hint.replace("an_unlogged", "public.an_unlogged")
    assert refused.detail == (
        "A crash empties an unlogged table, and no event would say so."
        if "unlogged" in kind
        else "Ordinary and partitioned tables can be tracked."
    )
    assert rows(db, "select * from chronicle.table_registry") == []


def test_a_foreign_table_is_refused(db: Connection) -> None:
    with as_superuser(db):
        db.execute("create foreign data wrapper nothing")
        db.execute("create server nowhere foreign data wrapper nothing")
        db.execute("create foreign table public.abroad (id integer) server nowhere")
        db.execute("alter foreign table public.abroad owner to installer")
    refused = refusal(db, "select chronicle.enable_tracking('public.abroad')")
    assert (refused.sqlstate, refused.message) == (
        *("42809", "public.abroad can not be tracked: it is a foreign table"),
    )


def test_a_partition_is_refused_in_favour_of_its_table(db: Connection) -> None:
    db.execute("create table public.item (id integer primary key) partition by range (id)")
    db.execute("create table public.item_low partition of public.item default")
    refused = refusal(db, "select chronicle.enable_tracking('public.item_low')")
    assert (refused.sqlstate, refused.message, refused.hint) == (
        "42809",
        "public.item_low is a partition",
        "Track that one: chronicle.enable_tracking('public.item').",
    )


def test_no_table_is_refused(db: Connection) -> None:
    refused = refusal(db, "select chronicle.enable_tracking(null)")
    assert (refused.sqlstate, refused.message) == ("22004", "a table is needed")
    refused = refusal(db, "select chronicle.enable_tracking(4294967295::oid::regclass)")
    assert refused.sqlstate == "42P01"
    assert sqlstate(db, "select chronicle.enable_tracking('public.nothing')") == "42P01"


def test_columns_must_exist_and_the_key_must_be_recorded(db: Connection) -> None:
    run(db, f"create table public.item ({ITEM})")
    for argument in (
        "_organization_column => 'nme'",
        "_exclude_columns => '{name,nme}'",
        "_mask_columns => '{nme}'",
    ):
        refused = refusal(db, f"select chronicle.enable_tracking('public.item', {argument})")
        assert (refused.sqlstate, refused.message, refused.hint) == (
            "42703",
            'column "nme" of table public.item does not exist',
            "It has: id, name, price.",
        )
    for argument in ("_exclude_columns => '{id}'", "_mask_columns => '{name,id}'"):
        refused = refusal(db, f"select chronicle.enable_tracking('public.item', {argument})")
        assert (refused.sqlstate, refused.message, refused.hint) == (
            "22023",
            'column "id" is part of the key of public.item',
            "The key names the record in the log: it can be neither excluded nor masked.",
        )
    assert rows(db, "select * from chronicle.table_registry") == []
    assert rows(db, "select from pg_trigger where tgrelid = 'public.item'::regclass") == []


def test_the_table_of_somebody_else_is_refused(db: Connection) -> None:
    with as_superuser(db):
        db.execute("create table shop.orders (id integer primary key)")
        db.execute("alter table shop.orders owner to shopkeeper")
        db.execute("grant usage on schema shop to installer, admin")
        db.execute("grant all on shop.orders to installer, admin")
    for role in ("installer", "admin"):
        with acting_as(db, role):
            refused = refusal(db, "select chronicle.enable_tracking('shop.orders')")
        assert (refused.sqlstate, refused.message, refused.detail) == (
            "42501",
            "must be owner of table shop.orders",
            f'It belongs to "shopkeeper"; you are "{role}".',
        )
        assert (
            refused.hint == 'Call this as "shopkeeper", after: grant chronicle_admin to shopkeeper.'
        )
    with acting_as(db, "shopkeeper"):
        assert sqlstate(db, "select chronicle.enable_tracking('shop.orders')") == "42501"


def test_an_owner_who_may_track_tracks_and_is_named(db: Connection) -> None:
    with as_superuser(db):
        db.execute("create table shop.orders (id integer primary key)")
        db.execute("alter table shop.orders owner to shopkeeper")
        db.execute("grant chronicle_admin to shopkeeper")
    with acting_as(db, "shopkeeper"):
        track(db, table="shop.orders")
        db.execute("insert into shop.orders values (1)")
        assert value(db, "select state from chronicle.tracked_tables") == "tracked"
        db.execute("select chronicle.disable_tracking('shop.orders')")
    assert rows(db, "select action, db_user, actor_id from chronicle.events order by seq") == [
        ("chronicle.tracking.enable", "shopkeeper", "shopkeeper"),
        ("shop.orders.create", "shopkeeper", "shopkeeper"),
        ("chronicle.tracking.disable", "shopkeeper", "shopkeeper"),
    ]


def test_a_table_that_is_not_tracked_cannot_be_disabled(db: Connection) -> None:
    run(db, f"create table public.item ({ITEM})")
    refused = refusal(db, "select chronicle.disable_tracking('public.item')")
    assert (refused.sqlstate, refused.message, refused.hint) == (
        "ZC005",
        "public.item is not tracked",
        "select * from chronicle.tracked_tables shows what is.",
    )
    assert sqlstate(db, "select chronicle.disable_tracking(null)") == "ZC005"


def test_a_tracked_table_of_somebody_else_cannot_be_disabled(db: Connection) -> None:
    make(db, ITEM)
    with acting_as(db, "admin"):
        refused = refusal(db, "select chronicle.disable_tracking('public.item')")
    assert (refused.sqlstate, refused.message) == ("42501", "must be owner of table public.item")
    db.execute("insert into public.item values (1, 'a', 1)")
    assert len(changes(db)) == 1


def test_a_failure_while_enabling_leaves_nothing_behind(db: Connection) -> None:
    run(db, f"create table public.item ({ITEM})")
    # A trigger that is in the way by name.
    db.execute("create function public.f() returns trigger language plpgsql as 'begin end'")
    db.execute(
        'create constraint trigger "!chronicle_update" after update on public.item '
        "for each row execute function public.f()"
    )
    assert sqlstate(db, "select chronicle.enable_tracking('public.item')")
    assert rows(db, "select * from chronicle.table_registry") == []
    assert (
        rows(db, "select from pg_proc where pronamespace = 'chronicle_capture'::regnamespace") == []
    )
    assert tracking_events(db) == []
    assert value(db, "select count(*) from pg_trigger where tgname ^@ '!chronicle'") == 1


def test_uuid_rows_are_addressable(db: Connection) -> None:
    make(db, "id uuid primary key default gen_random_uuid()")
    key: uuid.UUID = value(db, "insert into public.item default values returning id")
    assert changes(db) == [("INSERT", str(key), None, {"id": str(key)}, None)]


# A table that has changed since.


def texts(db: Connection) -> list[dict[str, str | None]]:
    """The rows of public.item by the present names of its columns, each value as text."""
    return values(
        db,
        """
        select (select jsonb_object_agg(e.key, e.value) from jsonb_each_text(to_jsonb(i)) as e)
        from public.item as i
        """,
    )


def by_key(images: Iterable[dict[str, str | None]]) -> list[str]:
    """Images in an order that does not depend on theirs."""
    return sorted(json.dumps(each, sort_keys=True) for each in images)


@pytest.mark.parametrize(
    ("alteration", "insert", "update"),
    [
        ("drop column name", "(2, 2)", "price = 3"),
        ("drop column price", "(2, 'b')", "name = 'c'"),
        ("rename column name to title", "(2, 'b', 2)", "title = 'c'"),
        ("rename column id to key", "(2, 'b', 2)", "name = 'c'"),
        ("alter column price type text", "(2, 'b', '2.0')", "price = '3.0'"),
        ("alter column name type numeric using 1.0", "(2, 2, 2)", "name = 1.00"),
        ("alter column id type uuid using gen_random_uuid()", "(%u, 'b', 2)", "name = 'c'"),
        ("drop constraint item_pkey", "(2, 'b', 2)", "name = 'c'"),
        ("drop constraint item_pkey cascade", "(2, 'b', 2)", "id = id + 10"),
        ("add column note text", "(2, 'b', 2, 'n')", "note = 'c'"),
        ("add column note text", "(2, 'b', 2, 'n')", "note = 'c', name = 'd'"),
        ("add column note text default 'x'", "(2, 'b', 2)", "price = 7"),
    ],
)
@pytest.mark.parametrize("session", ["the same session", "a new session"])
def test_a_table_that_was_altered_is_still_recorded(
    database: Database, alteration: str, insert: str, update: str, session: str
) -> None:
    installer = database.connect(autocommit=True)
    make(installer, ITEM)
    installer.execute("insert into public.item values (1, 'a', 1)")
    installer.execute("update public.item set name = 'x'")
    run(installer, f"alter table public.item {alteration}")
    writer = installer if session == "the same session" else database.connect(autocommit=True)
    run(writer, f"insert into public.item values {insert.replace('%u', 'gen_random_uuid()')}")
    inserted = texts(installer)
    run(writer, f"update public.item set {update}")
    updated = texts(installer)
    run(writer, "delete from public.item")
    after = rows(
        installer,
        """
        select action, record_id, old_values, new_values, changed_columns, payload_error
        from chronicle.row_changes order by seq offset 2
        """,
    )
    actions = [each[0] for each in after]
    assert actions == ["INSERT", "UPDATE", "UPDATE", "DELETE", "DELETE"]
    if "constraint" in alteration:
        assert [each[5] for each in after] == [None] * 5
        return
    key = "key" if "to key" in alteration else "id"
    for action, record_id, old, new, changed, error in after:
        assert re.match("(42703|42804|42883): the table has changed since it was tracked: ", error)
        assert record_id == (new or old)[key]
        if action == "UPDATE":
            assert set(changed) == {name for name in new if old[name] != new[name]}
        else:
            assert changed is None
    # The whole rows, before and after, by the names of now.
    assert after[0][3] in inserted
    assert by_key(each[2] for each in after[1:3]) == by_key(inserted)
    assert by_key(each[3] for each in after[1:3]) == by_key(updated)
    assert by_key(each[2] for each in after[3:]) == by_key(updated)


@pytest.mark.parametrize("session", ["the same session", "a new session"])
@pytest.mark.parametrize(
    "alteration",
    ["add column note text", "alter column name type varchar(9)", "rename column name to title"],
)
def test_a_partitioned_table_that_was_altered_is_still_recorded(
    database: Database, alteration: str, session: str
) -> None:
    installer = database.connect(autocommit=True)
    installer.execute("create table public.item (id integer, name text) partition by range (id)")
    # Its columns are in another order.
    installer.execute("create table public.item_low (name text, gone integer, id integer)")
    installer.execute("alter table public.item_low drop column gone")
    installer.execute("alter table public.item attach partition public.item_low default")
    track(installer, "_key_columns => '{id}'")
    installer.execute("insert into public.item values (1, 'a')")
    installer.execute("update public.item set name = 'b'")
    run(installer, f"alter table public.item {alteration}")
    writer = installer if session == "the same session" else database.connect(autocommit=True)
    note = ", 'n'" if "note" in alteration else ""
    run(writer, f"insert into public.item values (2, 'a'{note})")
    run(writer, "update public.item set id = 3 where id = 2")
    run(writer, "delete from public.item where id = 3")
    name = "title" if "title" in alteration else "name"
    before = {"id": "2", name: "a"} | ({"note": "n"} if note else {})
    after = before | {"id": "3"}
    assert rows(
        installer,
        """
        select action, record_id, old_values, new_values, changed_columns, payload_error is null
        from chronicle.row_changes order by seq offset 2
        """,
    ) == [
        ("INSERT", "2", None, before, None, False),
        ("UPDATE", "3", before, after, ["id"], False),
        ("DELETE", "3", after, None, None, False),
    ]


def test_a_table_that_was_altered_says_so_and_is_mended_by_refreshing_it(
    db: Connection,
) -> None:
    make(db, ITEM)
    state = "select state, problem from chronicle.tracked_tables"
    assert row(db, state) == ("tracked", None)
    db.execute("alter table public.item add column note text")
    db.execute("alter table public.item rename column name to title")
    assert row(db, state) == (
        "drifted",
        "The table has changed since: its rows are recorded whole, values as text. "
        "Now: title text, note text. Before: name text. chronicle.refresh_tracking takes it up.",
    )
    db.execute("insert into public.item values (1, 'a', 1, 'n')")
    assert rows(db, "select * from chronicle.refresh_tracking()") == [("public.item", "refreshed")]
    assert row(db, state) == ("tracked", None)
    db.execute("update public.item set note = 'm'")
    assert changes(db)[1] == ("UPDATE", "1", {"note": "n"}, {"note": "m"}, ["note"])


def test_a_retyped_column_is_said_to_have_drifted(db: Connection) -> None:
    make(db, ITEM)
    db.execute("alter table public.item alter column price type text")
    state, problem = row(db, "select state, problem from chronicle.tracked_tables")
    assert state == "drifted"
    assert "price" in problem


def test_a_dropped_column_and_a_fast_default_do_not_confuse(db: Connection) -> None:
    db.execute("create table public.item (gone integer, id integer primary key)")
    db.execute("insert into public.item values (0, 1)")
    db.execute("alter table public.item drop column gone, add column n integer default 7")
    track(db)
    db.execute("update public.item set n = n")
    db.execute("delete from public.item")
    assert changes(db) == [("DELETE", "1", {"id": 1, "n": 7}, None, None)]


DAMAGES = [
    *(f'drop trigger "!chronicle_{each}" on public.item' for each in ("insert", "delete")),
    'alter table public.item disable trigger "!chronicle_update"',
    'alter table public.item enable trigger "!chronicle_truncate"',
    "alter table public.item disable trigger user",
]

DISGUISES = {
    "a condition": "insert: after insert on public.item for each row when (false)",
    "a condition of its own": "update: after update on public.item for each row "
    "when (old.* *<> new.* and new.id > 1)",
    "no condition": "update: after update on public.item for each row",
    "some columns": "update: after update of name on public.item for each row "
    "when (old.* *<> new.*)",
    "for each statement": "delete: after delete on public.item for each statement",
    "too early": "delete: before delete on public.item for each row",
    "too late": "truncate: after truncate on public.item",
    "another event": "insert: after update on public.item for each row",
}
"""Triggers of ours by name, which are not as they were made."""


@pytest.mark.parametrize("damage", [*DAMAGES, *DISGUISES])
def test_a_capture_that_was_tampered_with_is_broken_until_it_is_refreshed(
    db: Connection, damage: str
) -> None:
    make(db, ITEM)
    if damage in DISGUISES:
        operation, definition = DISGUISES[damage].split(": ")
        function = value(
            db,
            "select tgfoid::regproc from pg_trigger where tgname = '!chronicle_' || %s",
            (operation,),
        )
        with as_superuser(db):
            run(db, f'drop trigger "!chronicle_{operation}" on public.item')
            trigger = f'"!chronicle_{operation}"'
            run(db, f"create trigger {trigger} {definition} execute function {function}()")
            run(db, f"alter table public.item enable always trigger {trigger}")
    else:
        run(db, damage)
    assert row(db, "select state, problem from chronicle.tracked_tables") == (
        "broken",
        "A capture trigger is missing or off; chronicle.refresh_tracking puts it back.",
    )
    assert rows(db, "select * from chronicle.refresh_tracking()") == [("public.item", "refreshed")]
    assert row(db, "select state, problem from chronicle.tracked_tables") == ("tracked", None)
    db.execute("insert into public.item values (1, 'a', 1)")
    db.execute("update public.item set name = 'b'")
    db.execute("truncate public.item")
    db.execute("insert into public.item values (2, 'a', 1)")
    db.execute("delete from public.item")
    assert [each[:2] for each in changes(db)] == [
        *(("INSERT", "1"), ("UPDATE", "1"), ("TRUNCATE", "1"), ("TRUNCATE", None)),
        *(("INSERT", "2"), ("DELETE", "2")),
    ]
    # That it was interrupted is an event.
    assert [each[0] for each in tracking_events(db)] == [
        *("chronicle.tracking.enable", "chronicle.tracking.update")
    ]


def test_a_function_of_another_table_is_no_capture(db: Connection) -> None:
    make(db, ITEM)
    run(db, f"create table public.other ({ITEM})")
    track(db, table="public.other")
    function = value(
        db,
        "select tgfoid::regproc from pg_trigger "
        "where tgrelid = 'public.other'::regclass and tgname = '!chronicle_insert'",
    )
    with as_superuser(db):
        run(
            db,
            'create or replace trigger "!chronicle_insert" after insert on public.item '
            f"for each row execute function {function}()",
        )
        db.execute('alter table public.item enable always trigger "!chronicle_insert"')
    states = dict(rows(db, "select table_name, state from chronicle.tracked_tables"))
    assert states["item"] == "broken"


def test_a_tracked_table_can_be_dropped_and_its_history_stays(db: Connection) -> None:
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1)")
    table_id = value(db, "select table_id from chronicle.tracked_tables")
    db.execute("drop table public.item")
    assert row(db, "select table_id, table_name, state from chronicle.tracked_tables") == (
        *(table_id, "item", "broken"),
    )
    assert rows(db, "select table_name, record_id from chronicle.row_changes") == [("item", "1")]
    make(db, "id integer primary key, other text")
    db.execute("insert into public.item values (1, 'b')")
    assert row(db, "select table_id, state from chronicle.tracked_tables") == (table_id, "tracked")
    assert values(db, "select table_id from chronicle.row_changes") == [table_id] * 2


def test_a_table_may_change_its_owner(db: Connection) -> None:
    make(db, ITEM)
    with as_superuser(db):
        db.execute("alter table public.item owner to shopkeeper")
    with acting_as(db, "shopkeeper"):
        db.execute("insert into public.item values (1, 'a', 1)")
    assert rows(db, "select action, db_user from chronicle.row_changes") == [
        ("INSERT", "shopkeeper")
    ]


def test_a_table_from_which_others_inherit_says_that_these_are_not_recorded(
    db: Connection,
) -> None:
    run(db, "create table public.parent (id integer primary key)")
    run(db, "create table public.child (more text) inherits (public.parent)")
    run(db, "select chronicle.enable_tracking('public.parent')")
    query = "select state, problem from chronicle.tracked_tables where table_name = 'parent'"
    assert rows(db, query) == [
        (
            "partial",
            "Rows of tables that inherit from it are not recorded; track these as well: child.",
        )
    ]
    run(db, "select chronicle.enable_tracking('public.child')")
    assert rows(db, query) == [("tracked", None)]


@pytest.mark.parametrize("option", ["_mask_columns", "_exclude_columns"])
def test_a_column_that_holds_the_organization_is_neither_masked_nor_excluded(
    db: Connection, option: str
) -> None:
    run(db, "create table public.item (id integer primary key, org text)")
    refused = refusal(
        db,
        "select chronicle.enable_tracking('public.item', _organization_column => 'org', "
        f"{option} => '{{org}}')",
    )
    assert (refused.sqlstate, refused.message) == ("22023", 'column "org" holds the organization')
    assert refused.detail == "Its value is the organization_id of every event."


# Whole rows.


def test_full_capture_records_both_whole_rows_of_an_update(db: Connection) -> None:
    make(
        db,
        "id integer primary key, name text, price numeric, note text, password text",
        "_capture => 'full'",
        "_exclude_columns => '{note}'",
    )
    db.execute("insert into public.item values (1, 'a', 1.0, 'n', 'p')")
    db.execute("update public.item set price = 1.00, note = 'm'")
    db.execute("update public.item set password = 'q'")
    db.execute("update public.item set note = 'o'")
    db.execute("update public.item set price = 1.00")
    first = {"id": 1, "name": "a", "price": 1, "password": "[masked]"}
    assert changes(db) == [
        ("INSERT", "1", None, first, None),
        ("UPDATE", "1", first, first, ["price"]),
        ("UPDATE", "1", first, first, ["password"]),
    ]
    assert rows(
        db,
        "select old_values ->> 'price', new_values ->> 'price' from chronicle.row_changes "
        "where changed_columns = '{price}'",
    ) == [("1.0", "1.00")]


def test_a_table_without_a_key_is_captured_full_whatever_is_said(db: Connection) -> None:
    make(db, "a integer, b integer", "_capture => 'changes'")
    db.execute("insert into public.item values (1, 1)")
    db.execute("update public.item set b = 2")
    assert changes(db)[1] == ("UPDATE", None, {"a": 1, "b": 1}, {"a": 1, "b": 2}, ["b"])
    assert row(db, "select capture, key_columns from chronicle.tracked_tables") == ("full", [])


# Keys by name.


def test_columns_may_stand_for_a_primary_key(db: Connection) -> None:
    make(db, "a text, b integer, n integer", "_key_columns => '{b,a}'")
    db.execute("insert into public.item values ('x', 1, 1), ('y', null, 1), (null, null, 1)")
    db.execute("update public.item set n = 2 where a = 'x'")
    db.execute("update public.item set b = 2 where a = 'x'")
    found = rows(
        db,
        """
        select resource_id::jsonb, details_before, related_resources from chronicle.events
        where resource_type = 'item' order by seq
        """,
    )
    earlier = found[3][2]
    assert found == [
        ({"b": "1", "a": "x"}, None, None),
        ({"b": None, "a": "y"}, None, None),
        ({"b": None, "a": None}, None, None),
        ({"b": "1", "a": "x"}, {"n": 1}, earlier),
        ({"b": "2", "a": "x"}, {"b": 1}, found[4][2]),
    ]
    assert earlier is None
    (related,) = found[4][2]
    assert related["relation"] == "previous_key"
    assert json.loads(related["resource_id"]) == {"b": "1", "a": "x"}
    assert row(db, "select capture, key_columns from chronicle.tracked_tables") == (
        *("changes", ["b", "a"]),
    )


def test_a_single_key_column_gives_its_bare_value_or_none(db: Connection) -> None:
    make(db, "a integer, n integer", "_key_columns => '{a}'")
    db.execute("insert into public.item values (1, 1), (null, 1)")
    db.execute("update public.item set n = 2")
    db.execute("truncate public.item")
    assert [each[:2] for each in changes(db)] == [
        *(("INSERT", "1"), ("INSERT", None), ("UPDATE", "1"), ("UPDATE", None)),
        *(("TRUNCATE", "1"), ("TRUNCATE", None), ("TRUNCATE", None)),
    ]


def test_other_key_columns_than_those_of_the_primary_key_are_refused(db: Connection) -> None:
    run(db, "create table public.item (a integer, b integer, c integer, primary key (a, b))")
    for columns in ("{c}", "{a}", "{b,a}", "{a,b,c}"):
        refused = refusal(
            db, "select chronicle.enable_tracking('public.item', _key_columns => %s)", (columns,)
        )
        assert (refused.sqlstate, refused.message, refused.hint) == (
            "22023",
            "public.item has a primary key: a, b",
            "_key_columns is for tables without one; leave it out.",
        )
    track(db, "_key_columns => '{a,b}'")
    assert value(db, "select key_columns from chronicle.tracked_tables") == ["a", "b"]


def test_key_columns_must_exist_and_be_recorded(db: Connection) -> None:
    run(db, "create table public.item (a integer, b integer)")
    refused = refusal(
        db, "select chronicle.enable_tracking('public.item', _key_columns => '{a,c}')"
    )
    assert (refused.sqlstate, refused.message, refused.hint) == (
        "42703",
        'column "c" of table public.item does not exist',
        "It has: a, b.",
    )
    for option in ("_mask_columns", "_exclude_columns"):
        refused = refusal(
            db,
            "select chronicle.enable_tracking('public.item', _key_columns => '{a,b}', "
            f"{option} => '{{b}}')",
        )
        assert (refused.sqlstate, refused.message, refused.hint) == (
            "22023",
            'column "b" is part of the key of public.item',
            "The key names the record in the log: it can be neither excluded nor masked.",
        )
    refused = refusal(
        db, "select chronicle.enable_tracking('public.item', _key_columns => '{a,b,a}')"
    )
    assert (refused.sqlstate, refused.message) == (
        "22023",
        'column "a" is named twice in _key_columns',
    )
    # An empty list is none.
    track(db, "_key_columns => '{}'")
    assert value(db, "select key_columns from chronicle.tracked_tables") == []


# Truncates.


def truncates(db: Connection) -> list[Any]:
    return rows(
        db,
        """
        select resource_type, resource_id, details_before, action_meta, payload_error
        from chronicle.events where action ~ '[.]truncate$' order by seq
        """,
    )


def test_a_truncate_may_be_one_event(db: Connection) -> None:
    make(db, ITEM, "_truncate => 'event'")
    db.execute("insert into public.item values (1, 'a', 1)")
    db.execute("truncate public.item")
    assert truncates(db) == [("item", None, None, {"recorded": 0}, None)]
    assert changes(db)[1:] == [("TRUNCATE", None, None, None, None)]


def test_a_truncate_may_be_refused(db: Connection) -> None:
    make(db, ITEM, "_truncate => 'refuse'")
    db.execute("create table public.part (id integer primary key references public.item)")
    db.execute("insert into public.item values (1, 'a', 1)")
    db.execute("grant all on public.item to stranger")
    for role in ("installer", "stranger"):
        with acting_as(db, role):
            assert (
                refusal(db, "truncate public.item cascade")
                == Refusal(
                    "55000",
                    "truncate of public.item is refused",
                    "The table is tracked with _truncate => 'refuse'.",
                    "Record every row: delete from public.item.",
                )
                or role == "stranger"
            )
    db.execute("create table public.whole (id integer primary key) partition by range (id)")
    db.execute("create table public.leaf partition of public.whole default")
    track(db, "_truncate => 'refuse'", table="public.whole")
    assert sqlstate(db, "truncate public.leaf") == "55000"
    assert sqlstate(db, "truncate public.whole") == "55000"
    assert truncates(db) == []
    db.execute("delete from public.item")
    assert changes(db)[-1][:2] == ("DELETE", "1")


@pytest.mark.parametrize(("limit", "recorded"), [(0, 0), (2, 2), (3, 3), (4, 3)])
def test_a_truncate_records_rows_up_to_a_limit_and_says_how_many_there_were(
    db: Connection, limit: int, recorded: int
) -> None:
    with acting_as(db, "admin"):
        db.execute("select chronicle.set_setting('truncate_row_limit', to_jsonb(%s))", (limit,))
    make(db, ITEM)
    db.execute("insert into public.item select n, 'a', n from generate_series(1, 3) as n")
    db.execute("truncate public.item")
    assert truncates(db) == [
        *(
            ("item", str(n), {"id": n, "name": "a", "price": n}, None, None)
            for n in range(1, recorded + 1)
        ),
        ("item", None, None, {"rows": 3, "recorded": recorded}, None),
    ]


def test_a_truncate_whose_rows_may_not_be_read_any_more_says_so(db: Connection) -> None:
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1)")
    db.execute("revoke select on public.item from chronicle_table_reader")
    assert value(db, "select not_covered from chronicle.tracked_tables") == [
        "A truncate is recorded without its rows: chronicle_table_reader may not read them; "
        "chronicle.refresh_tracking allows it."
    ]
    db.execute("truncate public.item")
    assert truncates(db) == [
        (
            *("item", None, None, {"recorded": 0}),
            "chronicle_table_reader may not read the table",
        )
    ]
    assert rows(db, "select * from chronicle.refresh_tracking()") == [("public.item", "refreshed")]
    assert value(db, "select not_covered from chronicle.tracked_tables") == []
    db.execute("insert into public.item values (2, 'a', 1)")
    db.execute("truncate public.item")
    assert [each[1] for each in truncates(db)] == [None, "2", None]


def test_a_schema_is_opened_to_the_reader_of_tables_or_the_owner_is_asked(db: Connection) -> None:
    with as_superuser(db):
        db.execute("grant chronicle_admin to shopkeeper")
        db.execute("grant usage, create on schema shop to admin")
    with acting_as(db, "admin"):
        db.execute("create table shop.orders (id integer primary key)")
        assert refusal(db, "select chronicle.enable_tracking('shop.orders')") == Refusal(
            "42501",
            'chronicle_table_reader may not use the schema "shop"',
            "That role reads the rows that a truncate is about to empty.",
            'As "shopkeeper": grant usage on schema shop to chronicle_table_reader. '
            "Or give _truncate => 'event': a truncate is one event then, without the rows.",
        )
        for mode in ("event", "refuse"):
            track(db, f"_truncate => '{mode}'", table="shop.orders")
    usage = "select has_schema_privilege('chronicle_table_reader', 'shop', 'usage')"
    assert not value(db, usage)
    with acting_as(db, "shopkeeper"):
        db.execute("create table shop.wares (id integer primary key)")
        track(db, table="shop.wares")
    assert value(db, usage)
    with acting_as(db, "admin"):
        track(db, table="shop.orders")
        db.execute("insert into shop.orders values (1)")
        db.execute("truncate shop.orders")
    assert [each[1] for each in truncates(db)] == ["1", None]


# Changes that must say who made them.

WITHOUT_ACTOR = {
    "no context": {},
    "an empty one": {"chronicle.context": "{}"},
    "no id": {"chronicle.context": '{"actor_type": "user", "organization_id": "a"}'},
    "no JSON": {"chronicle.context": '{"actor_id": "u-1"'},
    "another type": {"chronicle.context": '{"actor_id": "u-1", "actor_type": "thing"}'},
    "claims without a subject": {"request.jwt.claims": '{"role": "web"}'},
}


@pytest.mark.parametrize("context", WITHOUT_ACTOR)
def test_a_change_without_an_actor_may_be_refused(db: Connection, context: str) -> None:
    make(db, ITEM, "_require_actor => true")
    db.execute("grant all on public.item to stranger")
    with db.transaction():
        db.execute("""select set_config('chronicle.context', '{"actor_id": "u-1"}', true)""")
        db.execute("insert into public.item values (1, 'a', 1)")
        db.execute("select set_config('chronicle.context', '', true)")
    for name, text in WITHOUT_ACTOR[context].items():
        db.execute("select set_config(%s, %s, true)", (name, text))
    with acting_as(db, "stranger"):
        for change in (
            "insert into public.item values (2, 'b', 2)",
            "update public.item set name = 'b'",
            "delete from public.item",
            "truncate public.item",
        ):
            assert refusal(db, change) == Refusal(
                "ZC006",
                "a change of public.item needs an actor",
                "The table is tracked so that every change says who made it, and the context names "
                "nobody.",
                "In the same transaction, before the change: select chronicle.set_context("
                "_actor_type => 'user', _actor_id => '...').",
            )
        # Nothing is changed, so nobody is asked.
        db.execute("update public.item set name = 'a'")
        db.execute("delete from public.item where false")
    assert changes(db) == [("INSERT", "1", None, {"id": 1, "name": "a", "price": 1}, None)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("chronicle.context", '{"actor_id": "u-1"}'),
        ("chronicle.context", '{"actor_id": "u-1", "actor_type": "ai"}'),
        ("request.jwt.claims", '{"sub": "u-1"}'),
    ],
)
@pytest.mark.parametrize("mode", ["rows", "event"])
def test_a_change_with_an_actor_is_recorded_where_one_is_required(
    db: Connection, name: str, text: str, mode: str
) -> None:
    make(db, ITEM, "_require_actor => true", f"_truncate => '{mode}'")
    db.execute("select set_config(%s, %s, true)", (name, text))
    db.execute("insert into public.item values (1, 'a', 1), (2, 'b', 2)")
    db.execute("update public.item set name = 'b' where id = 1")
    db.execute("delete from public.item where id = 1")
    db.execute("truncate public.item")
    assert rows(
        db, "select action, record_id, actor_id from chronicle.row_changes order by seq"
    ) == [
        *(("INSERT", "1", "u-1"), ("INSERT", "2", "u-1"), ("UPDATE", "1", "u-1")),
        ("DELETE", "1", "u-1"),
        *([("TRUNCATE", "2", "u-1")] if mode == "rows" else []),
        ("TRUNCATE", None, "u-1"),
    ]


# Taking up what has changed.


def test_refreshing_takes_up_what_has_changed_and_leaves_the_rest(db: Connection) -> None:
    for name in ("a_same", "b_altered", "d_ended"):
        run(db, f"create table public.{name} ({ITEM})")
        track(db, "_capture => 'full'", table=f"public.{name}")
    db.execute("select chronicle.disable_tracking('public.d_ended')")
    run(db, f"create table public.c_theirs ({ITEM})")
    track(db, table="public.c_theirs")
    with as_superuser(db):
        db.execute("alter table public.c_theirs owner to shopkeeper")
    db.execute("alter table public.b_altered add column note text")
    refresh = "select * from chronicle.refresh_tracking()"
    unchanged = [("public.a_same", "unchanged"), ("public.b_altered", "unchanged")]
    # Theirs has not changed.
    assert rows(db, refresh) == [
        ("public.a_same", "unchanged"),
        ("public.b_altered", "refreshed"),
        ("public.c_theirs", "unchanged"),
    ]
    assert [each[:3] for each in tracking_events(db)[-1:]] == [
        ("chronicle.tracking.update", "update", "public.b_altered")
    ]
    before = len(tracking_events(db))
    with as_superuser(db):
        db.execute("alter table public.c_theirs add column note text")
    assert rows(db, refresh) == [*unchanged, ("public.c_theirs", "skipped: must be owner")]
    assert rows(db, "select * from chronicle.refresh_tracking('public.b_altered')") == [
        ("public.b_altered", "unchanged")
    ]
    assert len(tracking_events(db)) == before
    assert dict(rows(db, "select table_name, state from chronicle.tracked_tables")) == {
        **{"a_same": "tracked", "b_altered": "tracked"},
        **{"c_theirs": "drifted", "d_ended": "ended"},
    }
    assert set(values(db, "select capture from chronicle.tracked_tables")) == {"full", "changes"}
    with acting_as(db, "app"):
        assert sqlstate(db, refresh) == "42501"


def test_a_table_that_is_not_tracked_cannot_be_refreshed(db: Connection) -> None:
    run(db, f"create table public.item ({ITEM})")
    assert refusal(db, "select * from chronicle.refresh_tracking('public.item')") == Refusal(
        "ZC005",
        "public.item is not tracked",
        None,
        "select * from chronicle.tracked_tables shows what is.",
    )
    assert rows(db, "select * from chronicle.refresh_tracking()") == []


def test_options_follow_columns_that_were_renamed_and_forget_those_that_were_dropped(
    db: Connection,
) -> None:
    options = """
        select key_columns, organization_column, excluded_columns, masked_columns, capture,
            truncate, requires_actor, resource_type, state
        from chronicle.tracked_tables
    """
    make(
        db,
        "id integer, org text, a text, b text, c text, d text, token text",
        *("_key_columns => '{id}'", "_organization_column => 'org'", "_resource_type => 'ware'"),
        *("_exclude_columns => '{a,b}'", "_mask_columns => '{c,d}'", "_truncate => 'refuse'"),
        *("_capture => 'full'", "_require_actor => true"),
    )
    for one, other in (("id", "key"), ("org", "tenant"), ("a", "x"), ("c", "y")):
        run(db, f"alter table public.item rename column {one} to {other}")
    db.execute("alter table public.item drop column b, drop column d")
    # That one was to be shown; of this one nobody has been asked.
    db.execute("alter table public.item add column password text, add column plain text")
    assert rows(db, "select * from chronicle.refresh_tracking()") == [("public.item", "refreshed")]
    assert row(db, options) == (
        *(["key"], "tenant", ["x"], ["y", "password"], "full", "refuse", True, "ware", "tracked"),
    )
    db.execute("""select set_config('chronicle.context', '{"actor_id": "u-1"}', true)""")
    db.execute("insert into public.item values (1, 'acme', 'x', 'y', 't', 'p', 'q')")
    assert rows(db, "select record_id, organization_id, new_values from chronicle.row_changes") == [
        (
            *("1", "acme"),
            {"key": 1, "tenant": "acme", "y": "[masked]", "token": "t", "password": "[masked]"}
            | {"plain": "q"},
        )
    ]


def test_another_primary_key_is_said_and_taken_up(db: Connection) -> None:
    make(db, "a integer primary key, b integer not null")
    db.execute("alter table public.item drop constraint item_pkey, add primary key (b)")
    assert row(db, "select state, problem from chronicle.tracked_tables") == (
        "drifted",
        "The table has another primary key since; its records go by the former one. "
        "chronicle.refresh_tracking takes it up.",
    )
    db.execute("insert into public.item values (1, 2)")
    assert rows(db, "select * from chronicle.refresh_tracking()") == [("public.item", "refreshed")]
    db.execute("insert into public.item values (1, 3)")
    assert [each[1] for each in changes(db)] == ["1", "3"]
    assert row(db, "select state, key_columns from chronicle.tracked_tables") == ("tracked", ["b"])


def test_a_partition_stands_for_its_table_when_it_is_refreshed(db: Connection) -> None:
    db.execute("create table public.item (id integer) partition by range (id)")
    db.execute("create table public.low partition of public.item for values from (0) to (10)")
    track(db)
    db.execute("create table public.high partition of public.item default")
    assert rows(db, "select * from chronicle.refresh_tracking('public.low')") == [
        ("public.item", "refreshed")
    ]
    assert value(db, "select not_covered from chronicle.tracked_tables") == []


# While a table has changed, and nobody has taken it up.

TRICKY = [
    *("", " ", ",", '"', '""', "\\", "\\\\", '\\"', "(", ")", "()", "null", "NULL", "a,b", '"a"'),
    *('(1,"a ""b"" \\\\ c")', "a\nb", "a\tb", "ü", "'", "%s", "{}", "[masked]", '",', "\\,", None),
]


def test_any_value_of_a_table_that_has_changed_is_recorded_as_its_text(db: Connection) -> None:
    db.execute("create type public.pair as (a text, b text)")
    make(db, "id integer primary key, v text, w text, p public.pair, j json")
    db.execute("alter table public.item add column more text[]")
    expected: list[Any] = []
    for number, text in enumerate(TRICKY):
        other = TRICKY[number - 1]
        db.execute(
            "insert into public.item values (%s, %s, %s, row(%s, %s), to_json(%s::text), "
            "array[%s, %s])",
            (number, text, other, text, other, text, text, other),
        )
        expected.append({"id": str(number), "v": text, "w": other})
    assert [{name: each[3][name] for name in ("id", "v", "w")} for each in changes(db)] == expected
    for name in ("p", "j", "more"):
        assert values(
            db, f"select new_values ->> '{name}' from chronicle.row_changes order by seq"
        ) == values(
            db,
            f"""
            select case when {name} is distinct from null then format('%s', {name}) end
            from public.item order by id
            """,
        )


def test_new_columns_are_masked_where_they_might_be_what_was_hidden(db: Connection) -> None:
    make(db, "id integer primary key, a text, b text", "_mask_columns => '{b}'")
    db.execute("alter table public.item add column api_key text, add column plain text")
    db.execute("insert into public.item values (1, 'a', 'b', 'k', 'p')")
    # It is known what this one was,
    db.execute("alter table public.item rename column b to c")
    db.execute("insert into public.item values (2, 'a', 'b', 'k', 'p')")
    # but any of the new ones may have taken its place.
    db.execute("alter table public.item drop column c")
    db.execute("insert into public.item values (3, 'a', 'k', 'p')")
    shown = {"a": "a", "api_key": "[masked]", "plain": "p"}
    assert [each[3] for each in changes(db)] == [
        {"id": "1", "b": "[masked]"} | shown,
        {"id": "2", "c": "[masked]"} | shown,
        {"id": "3"} | shown | {"plain": "[masked]"},
    ]


@pytest.mark.parametrize("option", ["_mask_columns", "_exclude_columns"])
def test_what_is_hidden_stays_hidden_under_another_name(db: Connection, option: str) -> None:
    make(db, "id integer primary key, note text, n integer", f"{option} => '{{note}}'")
    db.execute("alter table public.item rename column note to remark")
    # The name goes to another one.
    db.execute("alter table public.item rename column n to note")
    db.execute("alter table public.item add column more integer")
    db.execute("insert into public.item values (1, 'hidden', 1, 1)")
    db.execute("update public.item set more = 2, remark = 'hidden too'")
    db.execute("update public.item set note = 2")
    hidden = {"remark": "[masked]"} if option == "_mask_columns" else {}
    first = {"id": "1", "note": "1", "more": "1"} | hidden
    second, third = first | {"more": "2"}, first | {"more": "2", "note": "2"}
    assert [(*each[:4], set(each[4] or ())) for each in changes(db)] == [
        ("INSERT", "1", None, first, set()),
        ("UPDATE", "1", first, second, {"more", *hidden}),
        ("UPDATE", "1", second, third, {"note"}),
    ]


@pytest.mark.parametrize("option", ["_mask_columns", "_exclude_columns"])
def test_a_change_of_a_column_that_is_masked_for_caution_is_recorded(
    db: Connection, option: str
) -> None:
    make(db, "id integer primary key, note text, n integer", f"{option} => '{{note}}'")
    db.execute("alter table public.item drop column note, add column more integer")
    db.execute("insert into public.item values (1, 1, 1)")
    db.execute("update public.item set more = 2")
    image = {"id": "1", "n": "1", "more": "[masked]"}
    assert changes(db)[1] == ("UPDATE", "1", image, image, ["more"])


def test_of_a_masked_column_of_a_changed_table_is_recorded_that_it_changed(db: Connection) -> None:
    make(db, "id integer primary key, note text", "_mask_columns => '{note}'")
    db.execute("alter table public.item add column more integer")
    db.execute("insert into public.item values (1, 'hidden')")
    db.execute("update public.item set note = 'hidden too'")
    image = {"id": "1", "note": "[masked]", "more": None}
    assert changes(db)[1] == ("UPDATE", "1", image, image, ["note"])


def test_an_excluded_column_of_a_changed_table_stays_out(db: Connection) -> None:
    make(db, "id integer primary key, note text", "_exclude_columns => '{note}'")
    db.execute("alter table public.item add column more integer")
    db.execute("insert into public.item values (1, 'hidden', 1)")
    db.execute("update public.item set note = 'hidden too'")
    db.execute("update public.item set note = 'hidden as well', more = 2")
    one, two = ({"id": "1", "more": more} for more in ("1", "2"))
    assert changes(db) == [
        ("INSERT", "1", None, one, None),
        ("UPDATE", "1", one, two, ["more"]),
    ]


def test_a_changed_table_keeps_key_and_organization_under_other_names(db: Connection) -> None:
    make(
        db,
        "a integer, b text, org text, n integer, primary key (a, b)",
        "_organization_column => 'org'",
    )
    db.execute("insert into public.item values (1, 'x', 'acme', 1)")
    for one, other in (("a", "first"), ("org", "tenant")):
        run(db, f"alter table public.item rename column {one} to {other}")
    db.execute("update public.item set n = 2")
    db.execute("update public.item set b = 'y', tenant = 'other'")
    db.execute("truncate public.item")
    found = rows(
        db,
        """
        select resource_id::jsonb, organization_id,
            (related_resources -> 0 ->> 'resource_id')::jsonb, payload_error is null
        from chronicle.events where resource_type = 'item' order by seq
        """,
    )
    first, second = {"a": "1", "b": "x"}, {"a": "1", "b": "y"}
    assert found == [
        (first, "acme", None, True),
        (first, "acme", None, False),
        (second, "other", first, False),
        (second, "other", None, False),
        (None, None, None, True),
    ]


# What leaves no event.


def not_covered(db: Connection, table: str = "item") -> Any:
    return value(
        db, "select not_covered from chronicle.tracked_tables where table_name = %s", (table,)
    )


def test_what_is_not_covered_is_said_in_sentences(db: Connection) -> None:
    db.execute("create table public.item (id integer, name text) partition by range (id)")
    db.execute("create table public.low partition of public.item for values from (0) to (10)")
    track(db)
    assert not_covered(db) == []
    db.execute("create table public.high partition of public.item for values from (10) to (20)")
    db.execute("create view public.shown as select * from public.item")
    db.execute(
        """
        create function public.instead() returns trigger language plpgsql
        as 'begin return null; end'
        """
    )
    db.execute(
        "create trigger t instead of insert on public.shown "
        "for each row execute function public.instead()"
    )
    # Through this one a write reaches the table itself.
    db.execute("create view public.plain as select * from public.item")
    with as_superuser(db):
        db.execute("create foreign data wrapper nothing")
        db.execute("create server nowhere foreign data wrapper nothing")
        db.execute(
            "create foreign table public.abroad partition of public.item "
            "for values from (20) to (30) server nowhere"
        )
    assert not_covered(db) == [
        "A truncate of partition public.high by itself is not recorded; "
        "chronicle.refresh_tracking takes it up.",
        "What the server of foreign partition public.abroad does to it is not seen.",
        "What the INSTEAD OF triggers of view public.shown write elsewhere is recorded only where "
        "that is tracked.",
    ]
    db.execute("select chronicle.disable_tracking('public.item')")
    assert not_covered(db) == []


def test_tables_that_inherit_are_not_covered_until_they_are_tracked(db: Connection) -> None:
    make(db, ITEM)
    db.execute("create table public.child (more text) inherits (public.item)")
    assert not_covered(db) == [
        "Rows of public.child, which inherits from it, are not recorded; track it as well."
    ]
    track(db, table="public.child")
    assert not_covered(db) == []


def test_subscriptions_are_not_covered(db: Connection) -> None:
    make(db, ITEM)
    with as_superuser(db):
        db.execute(
            'create subscription "their""s" connection \'dbname=none\' publication p '
            "with (connect = false, slot_name = none)"
        )
        # The server enters the tables when it connects.
        db.execute("set local allow_system_table_mods = on")
        db.execute(
            "insert into pg_subscription_rel (srsubid, srrelid, srsubstate) "
            "select s.oid, 'public.item'::regclass, 'r' from pg_subscription as s"
        )
    assert not_covered(db) == ['Changes that subscription "their"s" brings are not recorded.']


def test_whoever_may_read_the_log_sees_how_tables_are_tracked(db: Connection) -> None:
    make(db, ITEM)
    query = "select * from chronicle.tracked_tables"
    expected = rows(db, query)
    for role in ("reader_a", "auditor", "admin"):
        with acting_as(db, role):
            assert rows(db, query) == expected
    for role in ("app", "stranger"):
        with acting_as(db, role):
            assert sqlstate(db, query) == "42501"


def test_a_table_of_which_the_right_to_consent_was_passed_on_is_still_its_owners(
    db: Connection,
) -> None:
    """Who may pass on the right to make triggers does not speak for the owner."""
    make(db, ITEM)
    db.execute("grant trigger on public.item to admin with grant option")
    table_id = value(db, "select table_id from chronicle.tracked_tables")
    with acting_as(db, "admin"):
        db.execute("grant trigger on public.item to chronicle_writer")
        for statement in (
            "select chronicle.register_tracked_table('public.item', null)",
            f"select chronicle.create_capture_functions('public.item', {table_id})",
            f"select chronicle.create_truncate_function('public.item', {table_id})",
        ):
            refused = refusal(db, statement)
            assert (refused.sqlstate, refused.message) == (
                "42501",
                "the owner of public.item has not asked for this",
            )


def test_a_table_does_not_bear_a_name_of_the_log_itself(db: Connection) -> None:
    run(db, f"create table public.item ({ITEM})")
    reserved = "select chronicle.enable_tracking('public.item', 'chronicle.setting')"
    refused = refusal(db, reserved)
    assert (refused.sqlstate, refused.message) == (
        "42939",
        "the name chronicle.setting is reserved",
    )
