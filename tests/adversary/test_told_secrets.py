"""What is masked or excluded is told nowhere: in no event, no image, no error, no notice. And a
write that is recorded says nothing at all to who writes."""

from typing import Any

import psycopg
import pytest

from ask import as_superuser, rows, run, value
from capturing import make, track
from support import Connection, acting_as

SECRET = "hunter2"

COLUMNS = """
    id integer primary key, name text, password text, hidden text, doc jsonb, old_doc json,
    card_number varchar(30), amounts numeric[]
"""


def everything(db: Connection) -> str:
    """All that the log holds, in all its tables."""
    with as_superuser(db):
        return str(
            [
                rows(db, f"select t::text from chronicle.{table} as t")
                for table in (
                    *("events", "table_registry", "tracking_periods", "snapshots", "imports"),
                    *("event_keys", "tracked_tables", "row_changes"),
                )
            ]
        )


@pytest.fixture
def heard(db: Connection) -> list[str]:
    """All that the server says beside its answers."""
    said: list[str] = []

    def hear(diagnostic: Any) -> None:
        said.append(f"{diagnostic.severity}: {diagnostic.message_primary}")

    db.add_notice_handler(hear)
    return said


WRITES = (
    "insert into public.item values (1, 'a', 'hunter2', 'hunter2', '{}', '{}', 'hunter2', '{1}')",
    "update public.item set password = 'hunter2-2', hidden = 'hunter2-3', card_number = 'hunter2'",
    "update public.item set name = 'b', hidden = 'hunter2-5'",
    "update public.item set id = 2, password = 'hunter2-6'",
    "delete from public.item",
    "insert into public.item values (3, 'a', 'hunter2', 'hunter2', '{}', '{}', 'hunter2', '{1}')",
)

DRIFTS = {
    "no drift": "select 1",
    "a column more": "alter table public.item add column more text default 'hunter2'",
    "a masked column renamed": "alter table public.item rename column password to word",
    "an excluded column renamed": "alter table public.item rename column hidden to word",
    "a masked column dropped and another made": "alter table public.item drop column password;"
    "alter table public.item add column password_2 text default 'hunter2'",
    "another named like a secret": 'alter table public.item add column "API-Key" text '
    "default 'hunter2'",
    "two names swapped": "alter table public.item rename column password to x;"
    "alter table public.item rename column name to password;"
    "alter table public.item rename column x to name",
    "another takes the name": "alter table public.item rename column password to word;"
    "alter table public.item add column password text",
    "retyped": "alter table public.item alter column password type varchar(200)",
    "a type that ours is not": "alter table public.item alter column password "
    "type bytea using password::bytea",
}


@pytest.mark.parametrize("mode", ["changes", "full"])
@pytest.mark.parametrize(
    "drift", [name for name in DRIFTS if name not in ("a column more", "two names swapped")]
)
def test_what_is_masked_or_excluded_is_nowhere_in_the_log(
    db: Connection, drift: str, mode: str
) -> None:
    make(db, COLUMNS, "_exclude_columns => '{hidden}'", f"_capture => '{mode}'")
    for statement in WRITES:
        run(db, statement)
    run(db, DRIFTS[drift])
    run(db, "update public.item set amounts = '{2}'")
    run(db, "delete from public.item")
    if drift == "no drift":
        run(db, WRITES[-1])
        db.execute("select * from chronicle.snapshot_table('public.item')")
    db.execute("select * from chronicle.refresh_tracking()")
    db.execute("truncate public.item")
    assert value(db, "select count(*) from chronicle.row_changes") > 8
    assert SECRET not in everything(db)
    # The hexadecimal text of bytea.
    assert SECRET.encode().hex() not in everything(db)


def test_a_secret_that_changed_places_with_another_column_is_not_told(db: Connection) -> None:
    """Two columns swap their names: by name, the masked one is another."""
    make(db, COLUMNS, "_exclude_columns => '{hidden}'")
    run(db, DRIFTS["two names swapped"])
    run(
        db,
        "insert into public.item values (1, 'a', 'hunter2', 'x', '{}', '{}', null, '{1}')",
    )
    run(db, "update public.item set amounts = '{2}'")
    db.execute("select * from chronicle.refresh_tracking()")
    run(db, "update public.item set amounts = '{3}'")
    run(db, "truncate public.item")
    assert SECRET not in everything(db)


FAILURES = (
    "insert into public.item values (1, 'a', 'hunter2', 'hunter2', '{}', '{}', 'hunter2', '{1}')",
    "update public.item set password = 'hunter2-2', hidden = 'hunter2-3'",
    "update public.item set id = 5",
    "delete from public.item",
    "truncate public.item",
)


@pytest.mark.parametrize(
    "fault",
    [
        "alter table chronicle.events add constraint events_stop check (false) not valid",
        "revoke insert on chronicle.events from chronicle_writer",
        "drop table chronicle.events cascade",
        "revoke select on chronicle.table_registry from chronicle_writer",
    ],
)
@pytest.mark.parametrize("statement", FAILURES)
def test_an_error_of_the_log_quotes_no_row(db: Connection, fault: str, statement: str) -> None:
    """To a writer it would be their own row; to a log of the server's, anybody's. PostgreSQL's own
    message of a broken constraint shows the row of the log, which is masked."""
    make(db, COLUMNS, "_exclude_columns => '{hidden}'")
    run(db, FAILURES[0].replace("(1,", "(7,"))
    db.execute("grant all on public.item to stranger")
    with as_superuser(db):
        run(db, fault)
        # As in a session that has not asked before.
        db.execute("discard plans")
    text = ""
    with acting_as(db, "stranger"):
        try:
            with db.transaction():
                run(db, statement)
        except psycopg.Error as error:
            text = " ".join(
                str(part)
                for part in (
                    error,
                    error.diag.message_detail,
                    error.diag.message_hint,
                    error.diag.context,
                )
            )
    assert SECRET not in text
    if "table_registry" not in fault:
        assert text != ""


def test_an_undo_and_the_past_quote_no_secret(db: Connection) -> None:
    make(db, COLUMNS, "_exclude_columns => '{hidden}'")
    for statement in WRITES:
        run(db, statement)
    with as_superuser(db):
        db.execute("update public.item set name = 'behind' where id = 3")
    told: list[str] = []
    calls = [
        f"select chronicle.revert_event('{event_id}', {dry})"
        for (event_id,) in rows(db, "select event_id from chronicle.row_changes")
        for dry in ("true", "false")
    ]
    calls += [
        f"select chronicle.revert_transaction({value(db, 'select pg_current_xact_id()::text')}, "
        "_dry_run => true)",
        *(
            call
            for key in (1, 2, 3)
            for call in (
                f"select * from chronicle.record_history('public.item', '{key}')",
                f"select chronicle.record_as_of('public.item', '{key}', clock_timestamp())",
            )
        ),
    ]
    for call in calls:
        try:
            with db.transaction():
                told.append(str(rows(db, call)))
        except psycopg.Error as error:
            told.append(f"{error} {error.diag.message_detail} {error.diag.context}")
    assert [one for one in told if SECRET in one] == []
    assert SECRET not in everything(db)


def test_a_write_that_is_recorded_says_nothing(db: Connection, heard: list[str]) -> None:
    make(db, COLUMNS, "_exclude_columns => '{hidden}'")
    track(db, "_capture => 'full'")
    db.execute("grant all on public.item to stranger")
    heard.clear()
    with acting_as(db, "stranger"):
        for level in ("notice", "debug1"):
            run(db, f"set local client_min_messages = {level}")
            for statement in (*WRITES, "truncate public.item"):
                run(db, statement)
    run(db, "alter table public.item add column more text")
    with acting_as(db, "stranger"):
        run(db, "set local client_min_messages = notice")
        heard.clear()
        run(db, "insert into public.item (id, password) values (9, 'hunter2')")
        run(db, "truncate public.item")
    assert heard == []


def test_tracking_says_nothing_but_what_is_asked(db: Connection, heard: list[str]) -> None:
    run(db, f"create table public.item ({COLUMNS})")
    heard.clear()
    for statement in (
        "select chronicle.enable_tracking('public.item')",
        "select chronicle.enable_tracking('public.item')",
        "select * from chronicle.refresh_tracking()",
        "select * from chronicle.tracked_tables",
        "select * from chronicle.snapshot_table('public.item')",
        "select chronicle.disable_tracking('public.item')",
        "select chronicle.enable_tracking('public.item', _truncate => 'event')",
    ):
        run(db, statement)
    assert heard == []


def test_what_the_statistics_of_the_log_know_is_not_for_everybody(db: Connection) -> None:
    """A masked value is not in them; a value of the log is not told by them."""
    make(db, COLUMNS, "_exclude_columns => '{hidden}'")
    for statement in WRITES:
        run(db, statement)
    with as_superuser(db):
        db.execute("analyze chronicle.events")
        known = rows(db, "select s::text from pg_stats as s where s.schemaname = 'chronicle'")
        assert (len(known) > 10, SECRET in str(known)) == (True, False)
    for role in ("stranger", "app", "admin", "reader_a"):
        with acting_as(db, role):
            assert (
                rows(
                    db,
                    "select * from pg_stats where schemaname = 'chronicle' "
                    "and tablename ^@ 'events'",
                )
                == []
            )
