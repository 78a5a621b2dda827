"""History, undo, snapshots and imports run with the rights of who calls them: so they run nobody's
code that a plain SELECT would not, take no name of the caller's path for another, and write nothing
that the caller could not write."""

from contextlib import suppress
from typing import Any

import psycopg
import pytest

from ask import as_superuser, row, rows, run, sqlstate, value, values
from capturing import make, track
from support import Connection, Database, acting_as
from test_access import SHADOWS

ITEM = (
    "k varchar(20) primary key, name text, price numeric, doc jsonb, old_doc json, tags text[], "
    "at timestamptz, n bigint, kind char(3), own public.shade"
)

VALUES = (
    "'{key}', 'a', 1.0, '{{\"a\": 1}}', '\"s\"', '{{a,b}}', '2024-02-29 12:00+00', 7, 'x', 'light'"
)

HISTORY = (
    "select * from chronicle.record_history('public.item', 'one')",
    "select chronicle.record_as_of('public.item', 'one', pg_catalog.clock_timestamp())",
    "select * from chronicle.rows_as_of(null::public.item, pg_catalog.clock_timestamp())",
)

IMPORT = """
    select * from chronicle.import_events('old', $query$
        select pg_catalog.int4pl(i, 0) as source_id, '2020-01-01 00:00+00'::pg_catalog.timestamptz
            as occurred_at, 'user' as actor_type, 'ada' as actor_id, 'update' as action_type,
            'invoice' as resource_type, '{"a": 1}'::pg_catalog.jsonb as details_before,
            '{"a": 2, "token": "x"}'::pg_catalog.jsonb as details_after
        from pg_catalog.generate_series(1, 3) as i
    $query$, 2)
"""


def item(db: Connection) -> None:
    db.execute("create type public.shade as enum ('light', 'dark')")
    make(db, ITEM)
    for key in ("one", "two"):
        run(db, f"insert into public.item values ({VALUES.format(key=key)})")
    db.execute(
        "update public.item set name = 'b', price = 1.00, doc = '2', old_doc = '[1]', tags = '{}', "
        "at = null, n = -1, kind = 'y', own = 'dark' where k = 'one'"
    )
    db.execute("delete from public.item where k = 'two'")


def event_of(db: Connection, action: str) -> Any:
    return value(
        db,
        "select event_id from chronicle.row_changes where action = %s order by seq desc limit 1",
        (action,),
    )


# Whose names.


def test_no_name_of_the_callers_path_is_taken_for_another(db: Connection) -> None:
    """An undo is executed with the caller's path, for the sake of the application's triggers: no
    operator and no function in it may be looked for there."""
    item(db)
    updated, deleted, inserted = (event_of(db, a) for a in ("UPDATE", "DELETE", "INSERT"))
    with as_superuser(db):
        db.execute(SHADOWS)
        for one, other in (("varchar", "varchar"), ("bpchar", "bpchar"), ("jsonb", "varchar")):
            for name in ("=", "<>", "->", "->>", "-", "||", "<", ">"):
                run(
                    db,
                    f"create or replace function hostile.shadow({one}, {other}) returns boolean "
                    "language plpgsql as 'begin return hostile.hijack() = 1; end'",
                )
                exists = rows(
                    db,
                    f"select from pg_operator where oprname = '{name}' "
                    f"and oprnamespace = 'hostile'::regnamespace "
                    f"and oprleft = '{one}'::regtype and oprright = '{other}'::regtype",
                )
                if not exists:
                    run(
                        db,
                        f"create operator hostile.{name} (leftarg = {one}, rightarg = {other}, "
                        "function = hostile.shadow)",
                    )
        for name in ("text", "jsonb", "json", "numeric", "timestamptz", "int8", "bool"):
            run(db, f'create temp table "{name}" (nothing pg_catalog.int4)')
        for name in ("events", "row_events", "row_changes", "tracking_periods", "imports"):
            run(db, f"create temp table {name} (nothing pg_catalog.int4)")
    db.execute("set local search_path = pg_temp, hostile, chronicle, pg_catalog")
    for statement in HISTORY:
        assert rows(db, statement) != []
    assert rows(db, "select * from chronicle.snapshot_table('public.item')") == [(1, 1, True)]
    assert [rows(db, IMPORT)[0][0] for _ in range(2)] == [2, 1]
    assert sqlstate(db, f"select chronicle.revert_event('{inserted}')") == "ZC008"
    for event_id in (updated, deleted):
        run(db, "select chronicle.revert_event(%s, true)", (event_id,))
    run(db, "select chronicle.revert_event(%s)", (updated,))
    run(db, "select chronicle.revert_event(%s)", (deleted,))
    db.execute("set local search_path = pg_catalog")
    assert rows(db, "select * from public.item order by k") == rows(
        db,
        f"select * from (values (row({VALUES.format(key='one')})::public.item), "
        f"(row({VALUES.format(key='two')})::public.item)) as v (i), lateral (select (v.i).*) as w "
        "order by 2".replace("select *", "select w.*"),
    )


# Whose code.

TRAP = """
    create schema traps;
    grant usage on schema traps to public;
    create table traps.caught (who name);
    grant insert on traps.caught to public;
    create function traps.catch() returns integer
    language plpgsql volatile as $$
    begin
        if current_user <> 'installer' then
            insert into traps.caught values (current_user);
        end if;
        return 1;
    end
    $$;
    create function traps.is_fine(text) returns boolean
    language plpgsql immutable as $$ begin return (select traps.catch()) = 1; end $$;
    create domain traps.careful as text check (traps.is_fine(value));
    create type traps.shade as enum ('light', 'dark');
    create function traps.to_text(traps.shade) returns text
    language plpgsql immutable as $$ begin perform traps.catch(); return 'light'; end $$;
    create function traps.to_jsonb(traps.shade) returns jsonb
    language plpgsql immutable as $$ begin perform traps.catch(); return '1'; end $$;
    create cast (traps.shade as text) with function traps.to_text(traps.shade) as implicit;
    create cast (traps.shade as jsonb) with function traps.to_jsonb(traps.shade) as implicit;
    create function traps.same(traps.shade, traps.shade) returns boolean
    language plpgsql immutable as $$ begin perform traps.catch(); return true; end $$;
    create operator traps.= (
        leftarg = traps.shade, rightarg = traps.shade, function = traps.same
    );
    create operator public.= (
        leftarg = traps.shade, rightarg = traps.shade, function = traps.same
    );
"""

BAITS = {
    "a domain": "k text primary key, v traps.careful",
    "a domain as key": "k traps.careful primary key, v text",
    "an enum": "k text primary key, v traps.shade",
    "an enum as key": "k traps.shade primary key, v text",
    "an array of a domain": "k text primary key, v traps.careful[]",
    "a generated column": "k text primary key, v text, "
    "g boolean generated always as (traps.is_fine(v)) stored",
}

READING = {
    "record_history": "select * from chronicle.record_history('public.bait', 'light')",
    "record_as_of": "select chronicle.record_as_of('public.bait', 'light', clock_timestamp())",
    "record_as_of before": "select chronicle.record_as_of('public.bait', 'light', "
    "(select min(occurred_at) from chronicle.row_changes))",
    "rows_as_of": "select * from chronicle.rows_as_of(null::public.bait, "
    "(select min(occurred_at) from chronicle.row_changes))",
}


@pytest.mark.parametrize("call", READING)
@pytest.mark.parametrize("bait", BAITS)
def test_looking_back_runs_no_code_of_the_owner_that_looking_does_not(
    database: Database, bait: str, call: str
) -> None:
    owner = database.connect(autocommit=True)
    run(owner, TRAP)
    run(owner, f"create table public.bait ({BAITS[bait]})")
    track(owner, table="public.bait")
    is_array = "[]" in BAITS[bait]
    one, other = ("{light}", "{dark}") if is_array else ("light", "dark")
    owner.execute("insert into public.bait (k, v) values ('light', %s)", (one,))
    owner.execute("update public.bait set v = %s", (other,))
    owner.execute("grant select on public.bait to auditor")
    owner.execute("delete from traps.caught")
    owner.close()
    superuser = database.connect(database.cluster.superuser, autocommit=True)
    # A value of a domain has to pass its checks, and a row of the past is made of such values:
    # SECURITY.md says that who asks for it runs them.
    known = ["auditor"] if call == "rows_as_of" and "domain" in bait else []

    auditor = database.connect("auditor", autocommit=True)
    auditor.execute("select * from public.bait")
    auditor.close()
    assert values(superuser, "select who from traps.caught") == [], "looking is no trap"

    auditor = database.connect("auditor", autocommit=True)
    # In the path that most sessions have.
    assert run(auditor, READING[call]).fetchall() != []
    assert values(superuser, "select distinct who from traps.caught") == known


def test_an_import_runs_no_cast_of_a_columns_type(database: Database) -> None:
    owner = database.connect(autocommit=True)
    run(owner, TRAP)
    owner.execute("create table public.old_log (id integer, note traps.shade)")
    owner.execute("insert into public.old_log values (1, 'light')")
    owner.execute("grant select on public.old_log to admin")
    admin = database.connect("admin", autocommit=True)
    admin.execute(
        """
        select * from chronicle.import_events('old', $$
            select o.id as source_id, now() as occurred_at, 'user' as actor_type,
                'read' as action_type, 'invoice' as resource_type, o.note as reason
            from public.old_log as o
        $$)
        """
    )
    superuser = database.connect(database.cluster.superuser, autocommit=True)
    assert values(superuser, "select who from traps.caught") == []
    assert values(
        database.connect("auditor"), "select reason from chronicle.events where origin = 'imported'"
    ) == ["light"]


# Whose rights.


@pytest.mark.parametrize(
    "missing", ["select", "update", "chronicle_app", "chronicle_reader", "the event"]
)
def test_an_undo_takes_every_right_that_it_uses(db: Connection, missing: str) -> None:
    item(db)
    event_id = event_of(db, "UPDATE")
    transaction = value(db, "select max(transaction_id) from chronicle.row_changes")
    with as_superuser(db):
        db.execute("create role undoer login")
        for granted in ("chronicle_app", "chronicle_reader"):
            if granted != missing:
                run(db, f"grant {granted} to undoer")
        for right in ("select", "update", "insert", "delete"):
            if right != missing:
                run(db, f"grant {right} on public.item to undoer")
        if missing != "the event":
            db.execute("select chronicle.add_administrator('undoer')")
    before = rows(db, "select * from public.item order by k")
    with acting_as(db, "undoer"):
        for call in (
            f"select chronicle.revert_event('{event_id}')",
            f"select chronicle.revert_transaction({transaction})",
        ):
            assert sqlstate(db, call) in ("42501", "02000", "P0002"), call
    assert rows(db, "select * from public.item order by k") == before
    assert values(db, "select action from chronicle.events where action ~ 'revert'") == []


def test_an_undo_is_told_as_what_it_is(db: Connection) -> None:
    item(db)
    event_id = event_of(db, "UPDATE")
    db.execute(
        "select chronicle.set_context(_actor_id => 'ada', _actor_type => 'user', _reason => 'oops')"
    )
    context = value(db, "select current_setting('chronicle.context')")
    db.execute("select chronicle.revert_event(%s)", (event_id,))
    assert value(db, "select current_setting('chronicle.context')") == context
    told, undone = rows(
        db,
        "select action, origin, actor_id, db_user, parent_event_id, event_id from chronicle.events "
        "order by seq desc limit 2",
    )[::-1]
    assert told[:5] == ("chronicle.revert", "logged", "ada", "installer", event_id)
    assert undone[:5] == ("item.update", "captured", "ada", "installer", told[5])


@pytest.mark.parametrize("role", ["app", "reader_a", "auditor", "admin", "stranger"])
def test_nobody_tells_of_an_undo_that_was_none(db: Connection, role: str) -> None:
    with acting_as(db, role):
        refused = sqlstate(
            db,
            "select chronicle.record_revert('chronicle.setting', 'x', null, "
            "'{\"transaction_id\": 5}')",
        )
    assert refused in ("42501", "22023", "42883", "02000", "P0002")


def test_an_application_does_not_suppress_an_import_by_taking_its_ids(db: Connection) -> None:
    """The ids of imported events follow from what is public."""
    with db.transaction(force_rollback=True):
        run(db, IMPORT)
        ids = values(
            db, "select event_id from chronicle.events where origin = 'imported' order by seq"
        )
    taken = 0
    with acting_as(db, "app"):
        for event_id in ids:
            with suppress(psycopg.errors.InvalidParameterValue), db.transaction():
                db.execute(
                    "select chronicle.log_audit_event(_actor_type => 'user', "
                    "_action_type => 'read', _resource_type => 'x', _event_id => %s)",
                    (event_id,),
                )
                taken += 1
    if taken:
        assert sqlstate(db, IMPORT) == "ZC001"
    else:
        run(db, IMPORT)
        assert value(db, "select count(*) from chronicle.events where origin = 'imported'") == 2


def test_an_application_does_not_take_the_id_of_an_imported_event(db: Connection) -> None:
    run(db, IMPORT)
    (event_id,) = row(db, "select event_id from chronicle.events where origin = 'imported' limit 1")
    with acting_as(db, "app"):
        assert sqlstate(
            db,
            "select chronicle.log_audit_event(_actor_type => 'user', _action_type => 'read', "
            "_resource_type => 'x', _event_id => %s)",
            (event_id,),
        ) in ("ZC001", "22023")


@pytest.mark.parametrize(
    ("column", "expression"),
    [
        ("origin", "'captured'"),
        ("seq", "1"),
        ("db_user", "'postgres'"),
        ("recorded_at", "now()"),
        ("context_state", "'verified'"),
        ("transaction_id", "1"),
        ("table_id", "1"),
        ("event_id", "gen_random_uuid()"),
        ("payload_error", "'x'"),
        ("epoch", "2"),
    ],
)
def test_an_import_does_not_say_what_the_log_knows_itself(
    db: Connection, column: str, expression: str
) -> None:
    with acting_as(db, "admin"):
        assert (
            sqlstate(
                db,
                f"""
                select * from chronicle.import_events('old', $$
                    select 1 as source_id, now() as occurred_at, 'user' as actor_type,
                        'read' as action_type, 'x' as resource_type, {expression} as {column}
                $$)
                """,
            )
            == "42703"
        )


@pytest.mark.parametrize(
    "query",
    [
        "select 1) as q; drop table public.item; --",
        "select 1 as source_id; drop table public.item",
        "delete from public.item returning k as source_id",
        "with gone as (delete from public.item returning k) select k as source_id from gone",
        "select set_config('chronicle.context', '{', false) as source_id",
        "table chronicle.events",
        "select * from chronicle.events",
        "",
        "select",
        "copy public.item to stdout",
        "$query$",
        "select '%s' as source_id",
        "select null as source_id",
    ],
)
def test_the_query_of_an_import_can_no_more_than_its_caller(db: Connection, query: str) -> None:
    item(db)
    before = rows(db, "select * from public.item")
    with acting_as(db, "admin"):
        refused = sqlstate(db, "select * from chronicle.import_events('old', %s)", (query,))
    assert refused[:2] in ("42", "22", "0A", "25"), refused
    assert rows(db, "select * from public.item") == before
    assert values(db, "select action from chronicle.events where origin = 'imported'") == []


# What nobody but the owner begins.


@pytest.mark.parametrize("role", ["app", "auditor", "admin", "stranger"])
def test_only_the_owner_takes_a_snapshot(db: Connection, role: str) -> None:
    item(db)
    db.execute("grant all on public.item to public")
    with acting_as(db, role):
        for call in (
            "select * from chronicle.snapshot_table('public.item')",
            "select chronicle.record_snapshot_rows('public.item', '{forged}', '{a}', "
            "array['{\"price\": 0}'::jsonb], '{forged}', true)",
        ):
            assert sqlstate(db, call) == "42501", call
    assert values(db, "select action from chronicle.events where origin = 'snapshot'") == []
    assert rows(db, "select * from chronicle.snapshots") == []


def test_a_stranger_does_not_hold_up_snapshots_and_imports(database: Database) -> None:
    """By locks that anybody may take."""
    with database.connect() as owner:
        item(owner)
    stranger = database.connect("stranger", autocommit=True)
    owner = database.connect()
    owner.execute("select * from chronicle.snapshot_table('public.item')")
    run(owner, IMPORT)
    advisory = rows(
        owner,
        "select classid::bigint, objid::bigint, objsubid from pg_locks "
        "where locktype = 'advisory' and pid = pg_backend_pid()",
    )
    owner.rollback()
    for class_id, object_id, kind in advisory:
        both = f"{_signed(class_id)}, {_signed(object_id)}"
        one = str((class_id << 32) + object_id)
        run(stranger, f"select pg_advisory_lock({both if kind == 2 else one})")
    owner.execute("set local lock_timeout = '100ms'")
    owner.execute("select * from chronicle.snapshot_table('public.item')")
    run(owner, IMPORT)


def _signed(number: int) -> int:
    return number - (1 << 32) if number >= 1 << 31 else number
