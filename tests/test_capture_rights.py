"""Capture lends the rights of chronicle_writer to nobody, and asks none of who writes."""

import pytest

from ask import as_superuser, rows, run, sqlstate, value, values
from capturing import ITEM, changes, make, track
from support import Connection, acting_as


@pytest.fixture
def trapped(db: Connection) -> Connection:
    """The installer's session with types whose casts tell as whom they run, if they run."""
    db.execute("create schema traps")
    db.execute("create type traps.colour as enum ('red', 'blue')")
    db.execute("create type traps.pair as (a text, b integer)")
    db.execute("create type traps.span as range (subtype = integer)")
    db.execute("create domain traps.paint as traps.colour")
    for name in ("colour", "pair", "span"):
        for target in ("json", "jsonb", "text", "varchar"):
            run(
                db,
                f"""
                create function traps.{name}_to_{target}(traps.{name}) returns {target}
                language plpgsql as $$
                begin
                    raise exception 'a cast to {target} ran as %', current_user
                        using errcode = 'XX999';
                end
                $$
                """,
            )
            run(
                db,
                f"create cast (traps.{name} as {target}) "
                f"with function traps.{name}_to_{target}(traps.{name})"
                + (" as implicit" if target == "text" else ""),
            )
    return db


TRAPS = {
    "traps.colour": ("'red'", "'blue'"),
    "traps.paint": ("'red'", "'blue'"),
    "traps.colour[]": ("'{red}'", "'{red,blue}'"),
    "traps.paint[]": ("array['red'::traps.paint]", "array['blue'::traps.paint]"),
    "traps.pair": ("row('a', 1)", "row('b', 1)"),
    "traps.pair[]": ("array[row('a', 1)::traps.pair]", "'{}'"),
    "traps.span": ("'[1,2)'", "'[1,3)'"),
}


@pytest.mark.parametrize("type_name", TRAPS)
def test_a_cast_that_a_user_made_never_runs(trapped: Connection, type_name: str) -> None:
    one, other = TRAPS[type_name]
    for table, key in (("item", "id"), ("keyed", "v")):
        run(
            trapped,
            f"create table public.{table} (id integer, v {type_name}, org {type_name}, "
            f"primary key ({key}))",
        )
        track(trapped, "_organization_column => 'org'", table=f"public.{table}")
        run(trapped, f"insert into public.{table} values (1, {one}, {one})")
        run(trapped, f"update public.{table} set v = {other}, org = {other}")
        run(trapped, f"delete from public.{table}")
    recorded = rows(
        trapped,
        """
        select action, new_values ->> 'v', old_values ->> 'v', organization_id, payload_error
        from chronicle.row_changes order by seq
        """,
    )
    text_one, text_other = (
        value(trapped, f"select format('%s', {literal}::{type_name})") for literal in (one, other)
    )
    assert (
        recorded
        == [
            ("INSERT", text_one, None, text_one, None),
            ("UPDATE", text_other, text_one, text_other, None),
            ("DELETE", None, text_other, text_other, None),
        ]
        * 2
    )


def test_a_cast_made_for_a_retyped_column_never_runs(trapped: Connection) -> None:
    make(trapped, "id integer primary key, v text, w integer")
    trapped.execute(
        "alter table public.item alter column v type traps.colour using 'red'::traps.colour"
    )
    trapped.execute("insert into public.item values (1, 'red', 1)")
    trapped.execute("update public.item set v = 'blue'")
    trapped.execute("update public.item set w = 2")
    trapped.execute("delete from public.item")
    recorded = rows(
        trapped,
        "select action, record_id, payload_error is null from chronicle.row_changes order by seq",
    )
    assert recorded == [
        ("INSERT", "1", False),
        ("UPDATE", "1", False),
        ("UPDATE", "1", False),
        ("DELETE", "1", False),
    ]


def test_operators_that_a_user_made_never_run(trapped: Connection) -> None:
    trapped.execute(
        """
        create function traps.equal(traps.colour, traps.colour) returns boolean
        language plpgsql as $$
        begin
            raise exception 'an operator ran as %', current_user using errcode = 'XX999';
        end
        $$
        """
    )
    trapped.execute(
        "create operator public.= (leftarg = traps.colour, rightarg = traps.colour, "
        "function = traps.equal)"
    )
    make(trapped, "id integer primary key, v traps.colour")
    trapped.execute("insert into public.item values (1, 'red')")
    trapped.execute("update public.item set v = 'blue'")
    assert [each[4] for each in changes(trapped)] == [None, ["v"]]


def test_who_writes_needs_no_right_on_the_log(db: Connection) -> None:
    make(db, ITEM)
    db.execute("grant all on public.item to stranger")
    with acting_as(db, "stranger"):
        assert not value(db, "select has_schema_privilege('chronicle', 'usage')")
        db.execute("insert into public.item values (1, 'a', 1)")
        db.execute("update public.item set name = 'b'")
        db.execute("delete from public.item")
        db.execute("truncate public.item")
        assert sqlstate(db, "select * from chronicle.row_changes") == "42501"
    assert rows(db, "select action, db_user from chronicle.row_changes order by seq") == [
        (action, "stranger") for action in ("INSERT", "UPDATE", "DELETE", "TRUNCATE")
    ]


def test_an_empty_search_path_changes_nothing(db: Connection) -> None:
    make(db, ITEM)
    db.execute("set local search_path = ''")
    db.execute("insert into public.item values (1, 'a', 1)")
    db.execute("update public.item set price = 1.0")
    assert [each[0] for each in changes(db)] == ["INSERT", "UPDATE"]


@pytest.mark.parametrize("mode", ["replica", "local"])
def test_a_superuser_who_leaves_triggers_out_is_recorded(db: Connection, mode: str) -> None:
    make(db, ITEM)
    with as_superuser(db):
        run(db, f"set local session_replication_role = {mode}")
        db.execute("insert into public.item values (1, 'a', 1)")
        db.execute("update public.item set name = 'b'")
        db.execute("truncate public.item")
        db.execute("set local session_replication_role = origin")
        superuser = value(db, "select session_user")
    assert rows(db, "select action, db_user from chronicle.row_changes order by seq") == [
        (action, superuser) for action in ("INSERT", "UPDATE", "TRUNCATE")
    ]


def test_hostile_default_privileges_do_not_open_a_capture_function(db: Connection) -> None:
    with db.transaction():
        db.execute("set local role chronicle_writer")
        db.execute("alter default privileges grant execute on functions to public, stranger, app")
        db.execute("set local role none")
    make(db, ITEM)
    track(db, "_resource_type => 'ware'")
    assert (
        values(
            db,
            """
        select p.proacl::text from pg_proc as p
        where p.pronamespace = 'chronicle_capture'::regnamespace
        """,
        )
        == ["{}"] * 4
    )


def test_a_capture_leaves_no_right_on_the_table_behind(db: Connection) -> None:
    rights = """
        select a.grantee::regrole::text from pg_class as c
        cross join lateral aclexplode(c.relacl) as a
        where c.oid = 'public.item'::regclass and a.grantee <> c.relowner
    """
    make(db, ITEM)
    assert rows(db, rights) == []
    # Once with other options, and once for nothing.
    for _ in range(2):
        track(db, "_resource_type => 'ware'")
        assert rows(db, rights) == []
