"""Capture lends the rights of chronicle_writer to nobody, and asks none of who writes."""

import pytest

from ask import as_superuser, rows, run, sqlstate, value, values
from capturing import ITEM, changes, make, track
from support import Connection, Database, acting_as


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
        # The reader of tables, too, runs nobody's casts.
        run(trapped, f"insert into public.{table} values (1, {one}, {one})")
        run(trapped, f"truncate public.{table}")
    recorded = rows(
        trapped,
        """
        select action, new_values ->> 'v', old_values ->> 'v', organization_id, payload_error
        from chronicle.row_changes where record_id is not null order by seq
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
            ("INSERT", text_one, None, text_one, None),
            ("TRUNCATE", None, text_one, text_one, None),
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
    trapped.execute("truncate public.item")
    recorded = rows(
        trapped,
        """
        select action, record_id, old_values, new_values, payload_error is null
        from chronicle.row_changes order by seq
        """,
    )
    first = {"id": "1", "v": "red", "w": "1"}
    second, third = first | {"v": "blue"}, first | {"v": "blue", "w": "2"}
    assert recorded == [
        ("INSERT", "1", None, first, False),
        ("UPDATE", "1", first, second, False),
        ("UPDATE", "1", second, third, False),
        ("TRUNCATE", "1", third, None, False),
        ("TRUNCATE", None, None, None, True),
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
        db.execute("insert into public.item values (2, 'b', 2)")
        db.execute("truncate public.item")
        assert sqlstate(db, "select * from chronicle.row_changes") == "42501"
    assert rows(
        db, "select action, record_id, db_user from chronicle.row_changes order by seq"
    ) == [
        ("INSERT", "1", "stranger"),
        ("UPDATE", "1", "stranger"),
        ("DELETE", "1", "stranger"),
        ("INSERT", "2", "stranger"),
        ("TRUNCATE", "2", "stranger"),
        ("TRUNCATE", None, "stranger"),
    ]


def test_who_truncates_need_not_be_able_to_read(db: Connection) -> None:
    make(db, ITEM)
    db.execute("insert into public.item values (1, 'a', 1)")
    db.execute("grant truncate on public.item to stranger")
    with acting_as(db, "stranger"):
        assert sqlstate(db, "select * from public.item") == "42501"
        db.execute("truncate public.item")
    assert changes(db)[1][:3] == ("TRUNCATE", "1", {"id": 1, "name": "a", "price": 1})


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
    assert rows(
        db, "select action, record_id, db_user from chronicle.row_changes order by seq"
    ) == [
        ("INSERT", "1", superuser),
        ("UPDATE", "1", superuser),
        ("TRUNCATE", "1", superuser),
        ("TRUNCATE", None, superuser),
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


def test_a_capture_leaves_no_right_on_the_table_behind_but_to_read_what_is_truncated(
    db: Connection,
) -> None:
    rights = """
        select c.relname, a.grantee::regrole::text, a.privilege_type from pg_class as c
        cross join lateral aclexplode(c.relacl) as a
        where c.relname in ('item', 'item_low') and a.grantee <> c.relowner order by 1
    """
    reads = [(table, "chronicle_table_reader", "SELECT") for table in ("item", "item_low")]
    db.execute("create table public.item (id integer primary key) partition by range (id)")
    db.execute("create table public.item_low partition of public.item default")
    track(db)
    assert rows(db, rights) == reads
    # Once with other options, and once for nothing.
    for _ in range(2):
        track(db, "_resource_type => 'ware'")
        assert rows(db, rights) == reads
    for mode in ("event", "refuse"):
        track(db, f"_truncate => '{mode}'")
        assert rows(db, rights) == []
    track(db)
    assert rows(db, rights) == reads
    db.execute("select chronicle.disable_tracking('public.item')")
    assert rows(db, rights) == []


def test_a_truncate_function_does_not_need_others_to_be_made_before(database: Database) -> None:
    # Else it does not know for itself what it may call.
    installer = database.connect(autocommit=True)
    make(installer, ITEM)
    table_id = value(installer, "select table_id from chronicle.tracked_tables")
    installer.execute("grant trigger on public.item to chronicle_writer")
    fresh = database.connect(autocommit=True)
    fresh.execute("select chronicle.create_truncate_function('public.item', %s)", (table_id,))


# The reader of tables may read every one that is tracked, so it must run nobody's code.


@pytest.fixture
def thief(db: Connection) -> Connection:
    """The installer's session, with a function that tells as whom it runs, should it run."""
    db.execute(
        """
        create function public.tell(_value integer) returns integer
        language plpgsql immutable as $$
        begin
            if current_user = 'chronicle_table_reader' then
                raise exception 'it ran as %', current_user using errcode = 'XX999';
            end if;
            return _value;
        end
        $$
        """
    )
    db.execute(
        "create operator public.@# (rightarg = integer, function = public.tell)",
    )
    return db


CODE_OF_A_USER = {
    "an index": ["create index on public.item ((id + public.tell(1)))"],
    "an index condition": ["create index on public.item (id) where id > public.tell(1)"],
    "an operator": ["create index on public.item ((id - (operator(public.@#) 1)))"],
    "statistics": ["create statistics public.s on (id + public.tell(1)) from public.item"],
}


@pytest.mark.parametrize("place", CODE_OF_A_USER)
def test_a_truncate_runs_no_code_of_a_user_as_the_reader(thief: Connection, place: str) -> None:
    make(thief, ITEM)
    assert value(thief, "select not_covered from chronicle.tracked_tables") == []
    for statement in CODE_OF_A_USER[place]:
        run(thief, statement)
    thief.execute("insert into public.item values (1, 'a', 1)")
    thief.execute("truncate public.item")
    assert rows(
        thief,
        """
        select e.resource_id, e.action_meta, e.payload_error from chronicle.events as e
        where e.action = 'item.truncate'
        """,
    ) == [
        (
            None,
            {"recorded": 0},
            "an index, statistics or the partition key of the table call functions of a user, "
            "and chronicle_table_reader runs none",
        )
    ]
    assert value(thief, "select not_covered from chronicle.tracked_tables") == [
        "A truncate is recorded without its rows: an index, statistics or the partition key call "
        "functions of a user, which chronicle_table_reader must not run."
    ]


def test_a_truncate_runs_no_partition_key_of_a_user_as_the_reader(thief: Connection) -> None:
    thief.execute(
        "create table public.item (id integer) partition by range ((id + public.tell(1)))"
    )
    thief.execute("create table public.item_low partition of public.item default")
    track(thief)
    thief.execute("insert into public.item values (1)")
    thief.execute("truncate public.item")
    assert rows(
        thief,
        """
        select e.action_meta ->> 'partition', e.details_before, e.payload_error is null
        from chronicle.events as e where e.action = 'item.truncate' order by seq
        """,
    ) == [
        (None, None, False),
        (None, {"id": 1}, True),
        ("public.item_low", None, True),
    ]


def test_a_truncate_runs_no_policy_of_a_user_as_the_reader(thief: Connection) -> None:
    make(thief, ITEM)
    thief.execute("create policy p on public.item using (id = public.tell(id))")
    thief.execute("alter table public.item enable row level security")
    thief.execute("insert into public.item values (1, 'a', 1)")
    thief.execute("truncate public.item")
    assert rows(
        thief,
        """
        select e.resource_id, e.action_meta, e.payload_error from chronicle.events as e
        where e.action = 'item.truncate'
        """,
    ) == [
        (
            None,
            {"recorded": 0},
            "row-level security hides rows of the table from chronicle_table_reader",
        )
    ]
    assert value(thief, "select not_covered from chronicle.tracked_tables") == [
        "A truncate is recorded without its rows: the table's row-level security would hide some "
        "from chronicle_table_reader."
    ]
