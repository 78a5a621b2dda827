"""Capture functions are attached where they belong, and whoever loosens a trigger is seen."""

import pytest

from ask import as_superuser, refusal, row, rows, run, sqlstate, value, values
from capturing import ITEM, make, track
from support import Connection, acting_as

OPERATIONS = ("insert", "update", "delete", "truncate")


def table_id(db: Connection, table: str = "public.item") -> int:
    return int(value(db, "select chronicle.tracked_table_id(%s::regclass)", (table,)))


def partitioned(db: Connection) -> int:
    """Makes public.item partitioned, with a partition on two levels, and tracks it."""
    db.execute(f"create table public.item ({ITEM}) partition by range (id)")
    db.execute("create table public.item_low partition of public.item for values from (0) to (100)")
    db.execute(
        "create table public.item_high partition of public.item "
        "for values from (100) to (200) partition by range (id)"
    )
    db.execute("create table public.item_highest partition of public.item_high default")
    track(db)
    return table_id(db)


# Who may attach them.


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("role", ["stranger", "shopkeeper", "admin", "app", "auditor", "installer"])
def test_nobody_attaches_a_capture_function(db: Connection, role: str, operation: str) -> None:
    """Neither to a temporary table, nor to one of their own, nor to one they may put triggers on;
    the owner of the tracked table, who is an administrator here, no more than others."""
    make(db, ITEM)
    db.execute("create table public.other (id integer primary key, name text, price numeric)")
    db.execute("grant trigger on public.other, public.item to public")
    function = f"chronicle_capture.capture_{table_id(db)}_{operation}()"
    with as_superuser(db):
        run(db, f"create schema own authorization {role}")
    with acting_as(db, role):
        run(db, f"create table own.other ({ITEM})")
        run(db, f"create temp table other ({ITEM})")
        for table in ("own.other", "pg_temp.other", "public.other", "public.item"):
            for timing in ("after", "before"):
                refused = sqlstate(
                    db,
                    f"create trigger t {timing} {operation} on {table} "
                    f"for each statement execute function {function}",
                )
                assert refused == "42501", (table, timing)
        assert sqlstate(db, f"alter function {function} owner to current_user") == "42501"
        assert sqlstate(db, f"alter function {function} reset all") == "42501"
        # Before version 16 the installer has the rights of the schema's owner at every statement.
        assert sqlstate(db, f"drop function {function}") in ("42501", "2BP01")


def test_the_owner_of_a_partitioned_table_speaks_for_that_table_only(db: Connection) -> None:
    """They keep the right to attach the functions for rows, or they could add no partition. What
    they make of it is told of their own table, by their name."""
    tracked = partitioned(db)
    db.execute(f"create temp table mine ({ITEM})")
    run(
        db,
        "create trigger t after insert on mine for each row "
        f"execute function chronicle_capture.capture_{tracked}_insert()",
    )
    db.execute("insert into mine values (7, 'forged', 1)")
    assert rows(
        db,
        "select table_id, schema_name, table_name, record_id, db_user from chronicle.row_changes",
    ) == [(tracked, "public", "item", "7", "installer")]
    assert sqlstate(
        db,
        "create trigger t before truncate on mine "
        f"execute function chronicle_capture.capture_{tracked}_truncate()",
    ) == ("42501")
    with acting_as(db, "admin"):
        db.execute(f"create temp table theirs ({ITEM})")
        assert sqlstate(
            db,
            "create trigger t after insert on theirs for each row "
            f"execute function chronicle_capture.capture_{tracked}_insert()",
        ) == ("42501")


def test_a_decoy_does_not_take_the_place_of_the_table(db: Connection) -> None:
    """A table that was there before, with a capture function of another one attached to it."""
    db.execute(f"create table public.decoy ({ITEM})")
    tracked = partitioned(db)
    for operation in ("insert", "update", "delete"):
        run(
            db,
            f"create trigger t_{operation} after {operation} on public.decoy for each row "
            f"execute function chronicle_capture.capture_{tracked}_{operation}()",
        )
    db.execute("insert into public.item values (1, 'a', 1)")
    assert rows(
        db, "select schema_name, table_name, record_id, payload_error from chronicle.row_changes"
    ) == [("public", "item", "1", None)]
    db.execute("select * from chronicle.refresh_tracking()")
    db.execute("insert into public.item values (2, 'b', 2)")
    assert rows(
        db,
        "select schema_name, table_name, record_id, payload_error from chronicle.row_changes "
        "order by seq",
    ) == [("public", "item", "1", None), ("public", "item", "2", None)]
    name, state, problem, gaps = row(
        db, "select table_name, state, problem, not_covered from chronicle.tracked_tables"
    )
    assert name == "item"
    # Either it does no harm, or it is named, so that somebody takes it away.
    assert (state, problem, gaps) == ("tracked", None, []) or "decoy" in f"{problem} {gaps}"


# Who loosens one is seen.

LOOSENED = {
    "off": 'alter table public.item disable trigger "!chronicle_{operation}"',
    "in ordinary sessions only": 'alter table public.item enable trigger "!chronicle_{operation}"',
    "in replicas only": 'alter table public.item enable replica trigger "!chronicle_{operation}"',
    "all off": "alter table public.item disable trigger all",
    "gone": 'drop trigger "!chronicle_{operation}" on public.item',
    "under another name": 'alter trigger "!chronicle_{operation}" on public.item rename to t',
}

REPLACED = {
    "never": "after {operation} on public.item for each row when (false)",
    "seldom": "after {operation} on public.item for each row when ({row}.id < 0)",
    "by statement": "after {operation} on public.item for each statement",
    "for some columns": "after update of name on public.item for each row",
    "of another kind": "after {other} on public.item for each row",
    "too seldom": "after update on public.item for each row "
    "when (old.* operator(pg_catalog.*<>) new.* and old.id < 0)",
}


def assert_it_shows_and_is_mended(db: Connection) -> None:
    state, problem, gaps = row(
        db,
        "select state, problem, not_covered from chronicle.tracked_tables "
        "where tracked_until is null",
    )
    assert state != "tracked" or gaps != [], "it does not show"
    assert problem is not None or gaps != []

    assert "refreshed" in values(db, "select outcome from chronicle.refresh_tracking()")
    assert rows(
        db,
        "select state, problem, not_covered from chronicle.tracked_tables "
        "where tracked_until is null",
    ) == [("tracked", None, [])]
    mark = value(db, "select max(seq) from chronicle.events")
    db.execute("insert into public.item values (50, 'x', 1)")
    db.execute("update public.item set name = 'y' where id = 50")
    db.execute("delete from public.item where id = 50")
    db.execute("insert into public.item values (51, 'x', 1)")
    db.execute("truncate public.item")
    actions = values(
        db, "select action from chronicle.row_changes where seq > %s order by seq", (mark,)
    )
    assert list(dict.fromkeys(actions)) == ["INSERT", "UPDATE", "DELETE", "TRUNCATE"]


@pytest.mark.parametrize("kind", ["ordinary", "partitioned"])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("how", LOOSENED)
def test_a_trigger_that_is_loosened_shows(
    db: Connection, kind: str, operation: str, how: str
) -> None:
    if kind == "ordinary":
        make(db, ITEM)
    else:
        partitioned(db)
    run(db, LOOSENED[how].format(operation=operation))
    assert_it_shows_and_is_mended(db)


@pytest.mark.parametrize("arguments", ["", "'WHEN ((old.* *<> new.*))'"])
@pytest.mark.parametrize("operation", OPERATIONS[:3])
@pytest.mark.parametrize("how", REPLACED)
def test_a_trigger_that_is_replaced_shows(
    db: Connection, operation: str, how: str, arguments: str
) -> None:
    """By the owner of a partitioned table, who may execute the functions."""
    tracked = partitioned(db)
    other = {"insert": "delete", "update": "insert", "delete": "update"}[operation]
    definition = REPLACED[how].format(
        operation=operation, other=other, row="new" if operation == "insert" else "old"
    )
    run(
        db,
        f'create or replace trigger "!chronicle_{operation}" {definition} '
        f"execute function chronicle_capture.capture_{tracked}_{operation}({arguments})",
    )
    run(db, f'alter table public.item enable always trigger "!chronicle_{operation}"')
    assert_it_shows_and_is_mended(db)


def test_a_trigger_that_calls_another_capture_function_shows(db: Connection) -> None:
    tracked = partitioned(db)
    db.execute(f"create table public.twin ({ITEM}) partition by range (id)")
    db.execute("create table public.twin_only partition of public.twin default")
    track(db, table="public.twin")
    twin = table_id(db, "public.twin")
    for function in (f"capture_{twin}_insert", f"capture_{tracked}_delete"):
        with db.transaction(force_rollback=True):
            run(
                db,
                'create or replace trigger "!chronicle_insert" after insert on public.item '
                f"for each row execute function chronicle_capture.{function}()",
            )
            db.execute('alter table public.item enable always trigger "!chronicle_insert"')
            assert value(
                db, "select state from chronicle.tracked_tables where table_id = %s", (tracked,)
            ) == ("broken"), function


@pytest.mark.parametrize("mode", ["disable", "enable", "enable replica"])
@pytest.mark.parametrize("partition", ["item_low", "item_high", "item_highest"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_trigger_that_is_loosened_on_a_partition_shows(
    db: Connection, operation: str, partition: str, mode: str
) -> None:
    partitioned(db)
    run(db, f'alter table only public.{partition} {mode} trigger "!chronicle_{operation}"')
    assert_it_shows_and_is_mended(db)


# Whose consent counts.


def test_a_right_that_was_passed_on_is_not_the_owners_consent(db: Connection) -> None:
    """Somebody who may pass on TRIGGER on another's table, and is an administrator."""
    make(db, ITEM)
    tracked = table_id(db)
    before = rows(db, "select * from chronicle.table_registry")
    db.execute("grant trigger on public.item to admin with grant option")
    with acting_as(db, "admin"):
        db.execute("grant trigger on public.item to chronicle_writer")
        for statement in (
            "select chronicle.register_tracked_table('public.item', jsonb_populate_record("
            'null::chronicle.table_registry, \'{"excluded_columns": ["price"]}\'))',
            f"select chronicle.create_capture_functions('public.item', {tracked})",
            f"select chronicle.create_truncate_function('public.item', {tracked})",
        ):
            refused = refusal(db, statement)
            assert (refused.sqlstate, refused.message) == (
                "42501",
                "the owner of public.item has not asked for this",
            )
    assert rows(db, "select * from chronicle.table_registry") == before


def test_who_registers_other_options_than_are_captured_is_seen(db: Connection) -> None:
    """An owner who is an administrator can call what enable_tracking calls, and stop half-way."""
    make(db, ITEM, "_exclude_columns => '{price}'")
    db.execute("grant trigger on public.item to chronicle_writer")
    db.execute(
        "select chronicle.register_tracked_table('public.item', jsonb_populate_record("
        "null::chronicle.table_registry, '{\"excluded_columns\": []}'))"
    )
    db.execute("revoke trigger on public.item from chronicle_writer")
    assert_it_shows_and_is_mended(db)
    assert value(
        db, "select new_values from chronicle.row_changes where action = 'INSERT' limit 1"
    ) == {"id": 50, "name": "x", "price": 1}
