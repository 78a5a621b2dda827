"""No setting that a writer may set changes what is recorded of what they write."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from ask import as_superuser, events, rows, run, value
from capturing import track
from support import Connection, acting_as

COLUMNS = """
    at timestamptz, day date, clock timetz, span interval, raw bytea, ratio float8, half float4,
    amount numeric, price money, spot point, during tstzrange, days daterange[], note text,
    doc jsonb, old_doc json, bits varbit, home inet, relation regclass, kind regtype,
    words tsvector, shade shades.shade,
    mix shades.mix, deep shades.deep, many shades.mix[], token text
"""

VALUES = """
    '2024-02-29 13:14:15.123456+00', '2024-02-29', '13:14:15+05', '1 mon 2 days 03:04:05.5',
    decode('00ff5c', 'hex'), 0.1::float8 + 0.2::float8, 1.1::float4, 1.50, 12.5, '(0.1,0.2)',
    '[2024-02-29 01:00+00,infinity)', '{"[2024-02-29,2024-03-01)"}', 'a' || chr(92) || 'b''c',
    '{"a": [1, null]}', '{"a":1,  "a":2}',
    '1010', '::1/64', 'public."Odd name"', 'shades.mix', 'a:1 b:2',
    'so light', row('2024-02-29 13:14:15+00', '3 days', 0.1, decode('01', 'hex'))::shades.mix, 0.3,
    array[row('2024-02-29 13:14:15+00', '3 days', 0.1, decode('01', 'hex'))::shades.mix], 'a secret'
"""

INSERT = f"insert into public.TABLE values (timestamptz '2024-02-29 13:14:15+00', {VALUES})"

WORKLOAD = (
    INSERT,
    "update public.TABLE set ratio = -ratio, span = '-1 day', at = '2024-07-01 12:00:00+00'",
    "update public.TABLE set many = null, token = 'another', relation = null, old_doc = 'null'",
    "update public.TABLE set id = '2025-01-01 00:00:00+00'",
    "update public.TABLE set note = note",
    "delete from public.TABLE",
    INSERT,
    "truncate public.TABLE",
)

STRINGS = {
    "DateStyle": ["SQL, DMY", "German", "Postgres, MDY"],
    "TimeZone": ["Asia/Kathmandu", "America/New_York", "<X>-3:21"],
    "client_encoding": ["SQL_ASCII", "LATIN1"],
    "plpgsql.extra_errors": ["all"],
    "plpgsql.extra_warnings": ["all"],
    "search_path": ["''", "pg_temp", "shades, pg_catalog", "pg_temp, public"],
    "timezone_abbreviations": ["India"],
    "application_name": ["'; drop table chronicle.events; --"],
    "default_text_search_config": ["pg_catalog.german"],
    "lc_monetary": ["C.UTF-8", "en_US.UTF-8", "POSIX"],
    "lc_time": ["C.UTF-8", "POSIX"],
    "restrict_nonsystem_relation_kind": ["view", "view, foreign-table"],
    "chronicle.enabled": ["off", "false", ""],
    "chronicle.capture": ["off"],
    "chronicle.disabled": ["on"],
    "chronicle.bypass": ["true"],
    "chronicle_capture.enabled": ["off"],
}
"""What is worth saying in a setting that takes any text; the last ones are ours in no version."""

FOR_THE_READER = """
    select set_config('client_encoding', 'UTF8', true), set_config('DateStyle', 'ISO', true)
"""

ENDS_THE_SESSION = frozenset({"transaction_timeout", "idle_in_transaction_session_timeout"})
"""They are left out: a session that ends takes its changes with it."""


def candidates(db: Connection, kind: str) -> Iterator[tuple[str, str]]:
    """Settings that anybody may set, with values that differ as much as they can."""
    if kind == "string":
        for name, texts in STRINGS.items():
            yield from ((name, text) for text in texts)
        return
    for name, lowest, highest, labels in rows(
        db,
        """
        select name, min_val, max_val, enumvals from pg_settings
        where context = 'user' and vartype = %s order by name
        """,
        (kind,),
    ):
        choices = ["on", "off"] if kind == "bool" else labels or [lowest, highest]
        if name not in ENDS_THE_SESSION:
            yield from ((name, choice) for choice in choices)


def work(db: Connection, table: str) -> None:
    for statement in WORKLOAD:
        run(db, statement.replace("TABLE", table))


def recorded(db: Connection, mark: int) -> list[dict[str, Any]]:
    with as_superuser(db):
        return events(db, "written", after=mark)


@pytest.fixture
def written(db: Connection) -> Connection:
    """The installer's session with a tracked table of many types and one like it that is not
    tracked, both open to stranger."""
    db.execute("create schema shades")
    db.execute("grant usage on schema shades to public")
    db.execute("create type shades.shade as enum ('so light', 'so dark')")
    db.execute("create type shades.mix as (at timestamptz, span interval, ratio float8, raw bytea)")
    db.execute("create domain shades.deep as float8 check (value > 0)")
    db.execute('create table public."Odd name" (id integer)')
    for table in ("written", "bare"):
        run(db, f"create table public.{table} (id timestamptz primary key, {COLUMNS})")
        run(db, f"grant all on public.{table} to stranger")
    track(db, "_resource_type => 'written'", table="public.written")
    return db


@pytest.mark.parametrize("kind", ["bool", "enum", "integer", "real", "string"])
def test_no_setting_changes_what_is_recorded(written: Connection, kind: str) -> None:
    mark = value(written, "select coalesce(max(seq), 0) from chronicle.events")
    with written.transaction(force_rollback=True):
        with acting_as(written, "stranger"):
            work(written, "written")
        expected = recorded(written, mark)
    assert [one["action"].removeprefix("written.") for one in expected][:7] == [
        *("create", "update", "update", "update", "delete", "create", "truncate"),
    ]
    assert [one for one in expected if "payload_error" in one] == []

    tried = 0
    different: list[str] = []
    for name, setting in candidates(written, kind):
        for table in ("bare", "written"):
            try:
                with written.transaction(force_rollback=True), acting_as(written, "stranger"):
                    run(written, "select set_config(%s, %s, true)", (name, setting))
                    # As in a session that begins with it.
                    written.execute("discard plans")
                    work(written, table)
                    written.execute(FOR_THE_READER)
                    if table == "written" and recorded(written, mark) != expected:
                        different.append(f"{name} = {setting}: the events differ")
            except psycopg.Error as error:
                if table == "bare":
                    # Whoever cannot write at all has nothing to hide.
                    break
                different.append(f"{name} = {setting}: {error}")
        else:
            tried += 1
    assert tried > 10
    assert different == []
