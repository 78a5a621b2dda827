"""Every function, called by everybody with anything: nothing breaks, nothing is told, and nobody
writes what is not theirs to write."""

import json
import random
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from ask import as_superuser, rows, sqlstate, value, values
from support import Connection, acting_as

ROLES = ("app", "reader_a", "auditor", "admin", "shopkeeper", "stranger")

MAY_BE_TOLD = {"reader_a": {"secret-of-a"}, "auditor": {"secret-of-a", "secret-of-b"}}
"""Whoever is not named is told no secret at all."""

ANYTHING: dict[str, list[str]] = {
    "text": ["''", "'x'", "'2'", "E'\\'; drop table chronicle.events; --'", "repeat('x', 3000)"],
    "name": ["''", "'id'", "'no such'"],
    "regclass": [
        *("'public.orders'", "'chronicle.events'", "'pg_class'", "'shop.empty'", "0", "99999999"),
        "'chronicle.row_changes'",
    ],
    "oid": ["0", "'public.orders'::regclass", "99999999"],
    "integer": ["TABLE_ID", "0", "-1", "2147483647"],
    "bigint": ["1", "0", "-1", "9223372036854775807"],
    "smallint": ["0", "-1"],
    "boolean": ["true", "false"],
    "jsonb": ["'null'", "'[]'", "'{}'", """'{"names": ["id"], "a": 1}'""", "'[[1]]'", "'1e400'"],
    "name[]": ["'{}'", "'{null}'", "'{id}'", "'{{id,org},{org,id}}'", "'{x}'"],
    "text[]": ["'{}'", "'{null}'", "'{id}'", "'{{id,org},{org,id}}'"],
    "integer[]": ["'{}'", "'{null}'", "'{1}'"],
    "smallint[]": ["'{}'", "'{null}'", "'{1}'"],
    "oid[]": ["'{}'", "'{0}'"],
    "uuid": ["'00000000-0000-0000-0000-000000000000'", "EVENT_ID"],
    "timestamptz": ["'-infinity'", "'infinity'", "now()", "'4714-11-24 00:00:00+00 BC'"],
    "interval": ["'0'", "'178000000 years'"],
    "bytea": ["''", "'abcdefghijklmnopqrstuvwxyz'"],
    "inet": ["'::1'"],
    "anycompatible": ["'x'::text", "''::text"],
    "anyelement": ["null::public.orders", "null::chronicle.events", "1", "null::record"],
    "record": ["row(1)"],
    "chronicle.table_registry": [
        "(select r from chronicle.table_registry as r where r.table_id = TABLE_ID)",
        "jsonb_populate_record(null::chronicle.table_registry, '{\"excluded_columns\": []}')",
    ],
}
"""Values by type; of an enum, its labels are taken."""

FUNCTIONS = """
    select
        p.oid, p.oid::regprocedure::text, format('%I.%I', n.nspname, p.proname), p.proisstrict,
        p.prorettype = 'trigger'::regtype,
        array(
            select replace(t.oid::regtype::text, 'timestamp with time zone', 'timestamptz')
            from unnest(p.proargtypes) with ordinality as t (oid, place) order by t.place
        )
    from pg_proc as p inner join pg_namespace as n on n.oid = p.pronamespace
    where n.nspname in ('chronicle', 'chronicle_capture')
    order by 2
"""

STATE = """
    select jsonb_build_object(
        'events', (
            select jsonb_agg(e.event_id order by e.seq) from chronicle.events as e
            where e.origin <> 'logged'
        ),
        'registry', (select jsonb_agg(r order by r.table_id) from chronicle.table_registry as r),
        'periods', (select jsonb_agg(p) from chronicle.tracking_periods as p),
        'settings', (select jsonb_agg(s order by s.name) from chronicle.settings as s),
        'functions', (
            select jsonb_agg(
                array[
                    p.oid::text, p.prosrc, p.proacl::text, p.proowner::text, p.proconfig::text,
                    p.prosecdef::text
                ] order by p.oid
            )
            from pg_proc as p
            where p.pronamespace::regnamespace::text in ('chronicle', 'chronicle_capture')
        ),
        'triggers', (
            select jsonb_agg(
                array[t.tgname::text, t.tgenabled::text, t.tgfoid::text] order by t.oid
            )
            from pg_trigger as t
        ),
        'rights', (
            select jsonb_agg(array[c.oid::text, c.relacl::text, c.relowner::text] order by c.oid)
            from pg_class as c
            where c.relnamespace::regnamespace::text in ('chronicle', 'public', 'shop')
                and c.relname !~ '^events_'
        ),
        'orders', (select jsonb_agg(o order by o.id) from public.orders as o)
    )::text
"""
"""All that none of these calls may change, whoever makes it."""


@pytest.fixture
def doors(db: Connection) -> Connection:
    """The installer's session, with a tracked table of two tenants, each of whose rows holds a
    secret."""
    db.execute("create table public.orders (id integer primary key, org text, note text)")
    db.execute("select chronicle.enable_tracking('public.orders', _organization_column => 'org')")
    db.execute("insert into public.orders values (1, 'a', 'secret-of-a'), (2, 'b', 'secret-of-b')")
    db.execute("update public.orders set note = note || '!'")
    with acting_as(db, "admin"):
        db.execute("select chronicle.add_administrator('reader_a', 'a')")
    with acting_as(db, "shopkeeper"):
        db.execute("create table shop.empty (id integer primary key)")
    return db


def functions(db: Connection) -> list[Any]:
    return rows(db, FUNCTIONS)


def values_for(db: Connection, type_name: str) -> list[str]:
    if type_name in ANYTHING:
        return ANYTHING[type_name]
    if type_name.endswith("[]"):
        return ["'{}'", "'{null}'"]
    labels = values(
        db, "select enumlabel from pg_enum where enumtypid = %s::regtype order by 1", (type_name,)
    )
    if not labels:
        return [f"jsonb_populate_record(null::{type_name}, '{{}}')"]
    return [f"'{label}'" for label in labels]


def calls(db: Connection, name: str, types: list[str]) -> Iterator[str]:
    """Calls of a function: all nulls, each value once beside what is most plausible, and a few
    whose values are drawn."""
    choices = [
        [f"{text}::{type_name}" if not type_name.startswith("any") else text for text in found]
        for type_name, found in ((each, values_for(db, each)) for each in types)
    ]
    # A polymorphic null needs a type.
    nulls = ["null::" + (each if not each.startswith("any") else "text") for each in types]
    plausible = [found[0] for found in choices]
    drawn = random.Random(name)
    tries = [nulls, plausible]
    for place, found in enumerate(choices):
        tries += [[*base[:place], text, *base[place + 1 :]] for text in found for base in tries[:2]]
    for _ in range(10):
        tries.append(
            [drawn.choice([*found, null]) for found, null in zip(choices, nulls, strict=True)]
        )
    yield from dict.fromkeys(f"select * from {name}({', '.join(each)})" for each in tries)


@pytest.mark.parametrize("role", ROLES)
def test_what_is_not_for_a_role_is_refused_to_it(doors: Connection, role: str) -> None:
    refused = 0
    for oid, signature, name, is_strict, _, types in functions(doors):
        nulls = ", ".join("null::" + ("text" if t.startswith("any") else t) for t in types)
        with acting_as(doors, role):
            # Of a strict function and a null the planner makes a null, without asking.
            if is_strict or value(
                doors,
                "select has_function_privilege(p.oid, 'execute') "
                "and has_schema_privilege(p.pronamespace, 'usage') from pg_proc as p "
                "where p.oid = %s",
                (oid,),
            ):
                continue
            assert sqlstate(doors, f"select {name}({nulls})") == "42501", signature
            refused += 1
    assert refused > 10


@pytest.mark.parametrize("role", ROLES)
def test_whatever_a_role_calls_with_anything_does_no_harm(doors: Connection, role: str) -> None:
    table_id = value(doors, "select max(table_id) from chronicle.table_registry")
    event_id = value(
        doors, "select event_id from chronicle.events where details_after ->> 'org' = 'b'"
    )
    before = state(doors)
    secrets = {"secret-of-a", "secret-of-b"} - MAY_BE_TOLD.get(role, set())
    for oid, _, name, _, is_trigger, types in functions(doors):
        with acting_as(doors, role):
            if is_trigger or not value(
                doors, "select has_function_privilege(%s::oid, 'execute')", (oid,)
            ):
                continue
        with doors.transaction(force_rollback=True):
            done: list[str] = []
            for call in calls(doors, name, types):
                statement = call.replace("TABLE_ID", str(table_id))
                statement = statement.replace("EVENT_ID", f"'{event_id}'")
                is_done, told = answer(doors, role, statement)
                assert [one for one in secrets if one in told] == [], statement
                assert is_done or not told.startswith("XX"), f"{statement}: {told}"
                done += [statement] * is_done
            if done and not is_allowed(role, name):
                after = state(doors)
                assert after == before, f"one of {done} changed {difference(before, after)}"
    # It has not held its tongue because there was nothing to tell.
    assert "secret-of-b" in str(rows(doors, "select * from chronicle.row_changes"))


def answer(db: Connection, role: str, statement: str) -> tuple[bool, str]:
    """Whether a role's statement succeeds, and all that it tells."""
    with acting_as(db, role):
        try:
            with db.transaction():
                return True, str(rows(db, statement))
        except psycopg.Error as error:
            return False, f"{error.sqlstate}: {error}"


def is_allowed(role: str, name: str) -> bool:
    """Whether it is the job of the role to change the state with this function."""
    return role == "admin" and name in {
        *("chronicle.set_setting", "chronicle.ensure_partitions", "chronicle.begin_epoch"),
    }


def state(db: Connection) -> dict[str, Any]:
    with as_superuser(db):
        return dict[str, Any](json.loads(value(db, STATE)))


def difference(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [name for name in before if before[name] != after[name]]
