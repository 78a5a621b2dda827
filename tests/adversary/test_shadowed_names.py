"""Nothing that a session can put before or beside PostgreSQL's names (functions, operators, casts,
types, tables, temporary or not) is taken for what it is named like."""

from typing import Any

import pytest

from ask import as_superuser, events, rows, run, sqlstate, value, values
from support import Connection, acting_as
from test_access import SHADOWS

COLUMNS = """
    id integer, name text, price numeric, ratio float8, doc jsonb, old_doc json, tags text[],
    docs jsonb[], at timestamptz, span interval, raw bytea, during tstzrange, shade palette.shade,
    shades palette.shade[], mix palette.mix, token text
"""

ROW = """
    {key}, 'a', 1.0, '-0', '"s"', '{{"a":  1}}', '{{a,b}}', array['1'::pg_catalog.jsonb],
    '2024-02-29 12:00+00', '1 day', '\\x00', '[2024-01-01,2024-02-01)', 'light',
    '{{light,dark}}', row(1, 'x')::palette.mix, 'secret'
"""

AS_OWNER = (
    "select chronicle.enable_tracking('public.item', _organization_column => 'name')",
    "select chronicle.enable_tracking('public.item', _capture => 'full', _truncate => 'event')",
    "select chronicle.enable_tracking('public.item', 'item', 'name', '{span}', '{token}')",
)

AS_WRITER = (
    "insert into public.item values " + ", ".join(f"({ROW.format(key=key)})" for key in (1, 2)),
    "update public.item set price = 1.00, ratio = 0, doc = '1', at = at, shade = 'dark'",
    "update public.item set id = 3, shades = '{}', token = 'b' where id operator(pg_catalog.=) 1",
    "update public.item set raw = raw",
    "delete from public.item where id operator(pg_catalog.=) 3",
    "truncate public.item",
)

DRIFT = (
    "alter table public.item rename column name to title",
    'alter table public.item add column "Secret" pg_catalog.text',
    f"insert into public.item values ({ROW.format(key=7)}, 'hidden')",
    "update public.item set title = 'z'",
    "select * from chronicle.refresh_tracking()",
    "update public.item set title = 'y'",
    "select * from chronicle.tracked_tables",
    "delete from public.item",
    "select chronicle.disable_tracking('public.item')",
)

CONTEXT = '{"actor_id": "ada", "actor_type": "user", "organization_id": "o"}'


@pytest.fixture
def palette(db: Connection) -> Connection:
    """The installer's session, with a table of many types that stranger writes to."""
    db.execute("create schema palette")
    db.execute("grant usage on schema palette to public")
    db.execute("create type palette.shade as enum ('light', 'dark')")
    db.execute("create type palette.mix as (a integer, b text)")
    run(db, f"create table public.item ({COLUMNS}, primary key (id))")
    db.execute("grant all on public.item to stranger")
    return db


def play(db: Connection) -> list[dict[str, Any]]:
    """What is recorded of the whole play."""
    for statement in AS_OWNER:
        run(db, statement)
    with acting_as(db, "stranger"):
        db.execute("select pg_catalog.set_config('chronicle.context', %s, true)", (CONTEXT,))
        for statement in AS_WRITER:
            run(db, statement)
    for statement in DRIFT:
        run(db, statement)
    db.execute("select pg_catalog.set_config('search_path', 'pg_catalog', true)")
    return [
        {name: each for name, each in one.items() if name != "table_id"}
        for kind in ("item", "chronicle.tracked_table")
        for one in events(db, kind)
    ]


def without_ids(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for one in found:
        for state in ("details_before", "details_after"):
            one.get(state, {}).pop("table_id", None)
    return found


POLYMORPHIC = (
    *("array_dims(text[])", "array_append(text[], text)", "array_remove(text[], text)"),
    *("to_jsonb(text)", "to_jsonb(jsonb)", "to_jsonb(text[])", "to_jsonb(numeric)"),
    *("array_dims(jsonb[])", "cardinality(text[])", "cardinality(name[])", "unnest(text[])"),
    *("jsonb_build_array(jsonb)", "coalesce(text, text)"),
    *("nullif(text, text)", "greatest(integer, integer)", "concat(text)", "max(integer)"),
)
"""More exact than those of PostgreSQL, which take anything."""


def shadow(db: Connection) -> None:
    """Puts names before and beside PostgreSQL's, as a superuser could and so as anybody could."""
    ours = values(
        db,
        "select c.relname from pg_class as c where c.relkind in ('r', 'p', 'v') "
        "and c.relnamespace = 'chronicle'::regnamespace",
    )
    types = values(
        db,
        "select t.typname from pg_type as t where t.typnamespace = 'chronicle'::regnamespace "
        "and t.typtype in ('e', 'c') and t.typname not in (select relname from pg_class)",
    )
    with as_superuser(db):
        db.execute(SHADOWS)
        for signature in POLYMORPHIC:
            name, arguments = signature.split("(")
            run(
                db,
                f'create function hostile."{name}"({arguments} returns pg_catalog.text '
                "language sql as 'select hostile.hijack()::pg_catalog.text'",
            )
        for name in (*ours, *types):
            run(db, f'create temp table "{name}" (nothing integer)')
            run(db, f'grant all on pg_temp."{name}" to public')
        for name in (
            *("pg_class", "pg_attribute", "pg_proc", "pg_trigger", "pg_roles", "pg_type"),
            *("pg_namespace", "pg_index", "pg_inherits", "pg_depend", "pg_stat_subscription"),
            *("pg_collation", "pg_settings", "pg_partitioned_table", "pg_auth_members"),
        ):
            # Not of the same columns: pg_attribute has one that no table may have.
            run(db, f"create temp table {name} (oid pg_catalog.oid)")
            run(db, f"grant all on pg_temp.{name} to public")
        for name in (
            *("text", "jsonb", "json", "uuid", "timestamptz", "bool", "int4", "int8", "name"),
            *("regclass", "oid", "bytea", "record", "numeric", "float8"),
        ):
            # A table is a type as well.
            run(db, f'create temp table "{name}" (nothing pg_catalog.int4)')
    db.execute("set local search_path = pg_temp, hostile, chronicle, pg_catalog")


def test_the_shadows_fall_on_whom_they_meet(palette: Connection) -> None:
    shadow(palette)
    for call in (
        "lower('A'::pg_catalog.text)",
        "format('%s'::pg_catalog.text, 'x'::pg_catalog.text)",
        "to_jsonb(1)",
        "nextval('chronicle.events_seq'::pg_catalog.regclass)",
        "current_setting('TimeZone'::pg_catalog.text)",
        "sha256('a'::pg_catalog.bytea)",
        "jsonb_build_object('a'::pg_catalog.text, 'b'::pg_catalog.text)",
        "array_dims(array['a'::pg_catalog.text])",
        "'a'::pg_catalog.text || 'b'::pg_catalog.text",
        "'a'::pg_catalog.text = 'b'::pg_catalog.text",
        "1 <> 2",
        "'{}'::pg_catalog.jsonb - 'a'::pg_catalog.text",
    ):
        assert sqlstate(palette, f"select {call}") in ("XX999", "42725", "42846"), call
    assert rows(palette, "select * from settings") == []
    assert rows(palette, "select * from table_registry") == []


def test_nothing_that_is_recorded_is_touched_by_shadows(palette: Connection) -> None:
    with palette.transaction(force_rollback=True):
        clear = without_ids(play(palette))
    assert len(clear) > 15
    shadow(palette)
    palette.execute("discard plans")
    assert without_ids(play(palette)) == clear
    with as_superuser(palette):
        for name in ("events", "event_keys", "table_registry", "tracking_periods", "row_changes"):
            assert rows(palette, f"select * from pg_temp.{name}") == []


def test_temporary_objects_of_a_writer_are_not_met(palette: Connection) -> None:
    """By somebody with no right but to write, who has temporary tables and functions only."""
    palette.execute("select chronicle.enable_tracking('public.item')")
    with acting_as(palette, "stranger"):
        for name in (
            *("events", "event_keys", "table_registry", "settings", "tracking_periods"),
            *("pg_class", "pg_proc", "pg_trigger", "pg_stat_subscription"),
        ):
            run(palette, f"create temp table {name} (nothing integer)")
        palette.execute("create temp sequence events_seq")
        palette.execute("create type pg_temp.event_context as (nothing integer)")
        palette.execute("create domain pg_temp.actor_type as pg_catalog.text check (false)")
        palette.execute("create domain pg_temp.jsonb as pg_catalog.jsonb check (false)")
        palette.execute("create domain pg_temp.text as pg_catalog.text check (false)")
        for name, argument, result in (
            ("to_jsonb", "anyelement", "pg_catalog.jsonb"),
            ("format", "pg_catalog.text, anyelement", "pg_catalog.text"),
            ("resolve_context", "", "pg_catalog.text"),
            ("uuid_v7_from", "pg_catalog.uuid", "pg_catalog.uuid"),
            ("has_shape", "integer", "boolean"),
        ):
            run(
                palette,
                f"create function pg_temp.{name}({argument}) returns {result} language plpgsql as "
                "$$ begin raise exception 'hijacked' using errcode = 'XX999'; end $$",
            )
        palette.execute("set local search_path = pg_temp, pg_catalog")
        palette.execute("discard plans")
        for statement in AS_WRITER:
            run(palette, statement)
        palette.execute("set local search_path = pg_catalog")
    actions = values(palette, "select action from chronicle.row_changes order by seq")
    assert actions == [
        *("INSERT", "INSERT", "UPDATE", "UPDATE", "UPDATE", "DELETE", "TRUNCATE", "TRUNCATE"),
    ]
    assert value(
        palette, "select count(*) from chronicle.row_changes where payload_error is not null"
    ) == (0)


@pytest.mark.parametrize(
    "statement",
    [
        "create cast (text as jsonb) with function public.hijack(text) as implicit",
        "create cast (text as uuid) with function public.hijack(text) as assignment",
        "create cast (integer as jsonb) with function public.hijack(integer)",
        "create operator pg_catalog.= (leftarg = text, rightarg = integer, function = public.two)",
        "create operator chronicle.= (leftarg = text, rightarg = integer, function = public.two)",
        "create function pg_catalog.to_jsonb(text) returns jsonb language sql as 'select null'",
        "create function chronicle.to_jsonb(text) returns jsonb language sql as 'select null'",
        "create or replace function pg_catalog.now() returns timestamptz language sql "
        "as 'select 1'",
        "alter function pg_catalog.to_jsonb(anyelement) owner to current_user",
        "alter operator pg_catalog.=(text, text) owner to current_user",
        "create operator class public.o default for type text using btree as storage text",
        "create text search parser public.p (start = prsd_start, gettoken = prsd_nexttoken, "
        "end = prsd_end, lextypes = prsd_lextype)",
        "create language hijack handler plpgsql_call_handler",
        "alter type chronicle.event_context add attribute x text",
        "alter type chronicle.actor_type rename value 'user' to 'admin'",
        "create cast (chronicle.event_context as text) with inout",
        "create cast (chronicle.actor_type as text) with inout as implicit",
        "set session_preload_libraries = 'x'",
        "load 'auto_explain'",
    ],
)
@pytest.mark.parametrize("role", ["stranger", "app", "auditor", "admin", "shopkeeper"])
def test_what_everybody_means_by_a_name_is_not_changed(
    db: Connection, role: str, statement: str
) -> None:
    """Casts, operators and functions of PostgreSQL's own, and types of ours, belong to others."""
    db.execute(
        "create function public.two(text, integer) returns boolean language sql as 'select true'"
    )
    for kind, result in (("text", "jsonb"), ("integer", "jsonb")):
        run(
            db,
            f"create function public.hijack({kind}) returns {result} language sql "
            "as 'select null::jsonb'",
        )
    with acting_as(db, role):
        assert sqlstate(db, statement) in ("42501", "42P17", "42939", "55P02")
